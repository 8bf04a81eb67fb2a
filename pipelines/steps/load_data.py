# SPDX-License-Identifier: Apache-2.0
"""The step that reads the data, types its columns and splits it in three."""

from kfp.dsl import Dataset, Output


def load_data(
    use_case: str,
    root: str,  # noqa: ARG001 (every step has it: refusals are recorded there)
    data: str,
    data_digest: str,
    seed: int,
    train: Output[Dataset],
    validation: Output[Dataset],
    test: Output[Dataset],
) -> None:
    """Read the data of a run and write its parts as Parquet, the rows' numbers in the index.

    Args:
        use_case: A built-in one, or the module of one's own.
        root: The registry.
        data: A CSV or Parquet file, a path or URI; empty for the use case's own source.
        data_digest: What it must be; other data have come to its place when it is not.
        seed: Decides the split, unless the data have a column ``split``.
        train: The rows that a model is fitted on.
        validation: The rows that its operating point is chosen on.
        test: The rows that it is evaluated on.
    """
    from pipelines.data.source import read_data
    from pipelines.data.splitting import parts_of
    from pipelines.errors import StepError
    from pipelines.use_cases import Parts
    from pipelines.use_cases import use_case as find_use_case

    module = find_use_case(use_case)
    loaded = read_data(module, data)
    if loaded.digest != data_digest:
        raise StepError(
            f"{loaded.source}: the data have changed since the run began ({data_digest[:19]}..., now "
            f"{loaded.digest[:19]}...); start the run again"
        )
    parts = parts_of(module, loaded.frame, seed)
    for dataset, name, rows in zip((train, validation, test), Parts._fields, parts, strict=True):
        rows.to_parquet(dataset.path)
        told = {"part": name, "rows": len(rows), "columns": len(rows.columns), "digest": data_digest}
        dataset.metadata.update({**told, "data_rows": len(loaded.frame)})
    sizes = ", ".join(f"{len(rows):,} {name}" for name, rows in zip(Parts._fields, parts, strict=True))
    print(f"loaded {len(loaded.frame):,} rows of {loaded.source}: {sizes}")
