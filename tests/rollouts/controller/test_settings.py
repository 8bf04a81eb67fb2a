# SPDX-License-Identifier: Apache-2.0
import pytest

from rollouts.controller.settings import Settings, SettingsError


def test_all_have_defaults() -> None:
    settings = Settings.from_env({"HOME": "/", "PATH": "/bin"})
    assert settings.namespaces == ("models",)
    assert (settings.port, settings.tick_seconds, settings.threads) == (8080, 1.0, 8)
    assert settings.prometheus_url is None


def test_they_come_from_variables() -> None:
    environ = {
        "ROLLOUTS_NAMESPACES": "models, others",
        "ROLLOUTS_PROMETHEUS_URL": "http://prometheus.portside-system.svc:9090",
        "ROLLOUTS_TICK_SECONDS": "0.5",
        "ROLLOUTS_THREADS": "2",
    }
    settings = Settings.from_env(environ)
    assert settings.namespaces == ("models", "others")
    assert (settings.tick_seconds, settings.threads) == (0.5, 2)
    assert settings.prometheus_url == "http://prometheus.portside-system.svc:9090"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ROLLOUTS_THREAD", "2", "ROLLOUTS_THREAD: unknown setting; there are ROLLOUTS_NAMESPACES"),
        ("ROLLOUTS_THREADS", "0", "ROLLOUTS_THREADS: Input should be greater than or equal to 1"),
        ("ROLLOUTS_NAMESPACES", " ,", "ROLLOUTS_NAMESPACES: Value should have at least 1 item"),
        ("ROLLOUTS_TICK_SECONDS", "soon", "ROLLOUTS_TICK_SECONDS: Input should be a valid number"),
        ("ROLLOUTS_PROMETHEUS_URL", "user:secret@prometheus", "ROLLOUTS_PROMETHEUS_URL: String should match pattern"),
    ],
)
def test_what_cannot_be_used_is_named_and_never_shown(name: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({name: value})
    assert str(refused.value).startswith(told)
    assert "secret" not in str(refused.value)
    assert "secret" not in repr(Settings.from_env({"ROLLOUTS_PROMETHEUS_URL": "http://user:secret@prometheus"}))


def test_what_kubernetes_sets_beside_a_service_of_that_name_is_no_setting() -> None:
    links = {
        "ROLLOUTS_PORT": "tcp://10.96.0.7:8080",
        "ROLLOUTS_PORT_8080_TCP": "tcp://10.96.0.7:8080",
        "ROLLOUTS_PORT_8080_TCP_ADDR": "10.96.0.7",
        "ROLLOUTS_SERVICE_HOST": "10.96.0.7",
        "ROLLOUTS_SERVICE_PORT_HTTP": "8080",
    }
    assert Settings.from_env(links) == Settings.from_env({})
