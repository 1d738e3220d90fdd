"""The real worker process with the real statsforecast, and workers that misbehave."""

from __future__ import annotations

import asyncio
import math
import sys
from pathlib import Path

import psutil
import pytest

from zoned.core.records import FitJob, FitResult, Series
from zoned.daemon.forecast_worker import ForecastWorker


def day(hours: int) -> tuple[float, ...]:
    return tuple(100.0 + 60.0 * math.sin(hour / 24 * 2 * math.pi) for hour in range(hours))


def job(number: int = 1, hours: int = 96, budget_s: float = 10.0) -> FitJob:
    series = (Series("prices", 3600.0, 3600.0 * hours, day(hours)), Series("new", 3600.0, 3600.0, (1.0,)))
    return FitJob(job=number, series=series, steps=24, budget_s=budget_s)


def misbehaving(tmp_path: Path, text: str) -> tuple[str, ...]:
    script = tmp_path / "worker.py"
    script.write_text("import sys, time\n" + text)
    return (sys.executable, str(script))


@pytest.mark.timeout(60)
def test_a_real_worker_fits_is_restarted_when_killed_and_ends() -> None:
    async def scenario() -> None:
        worker = ForecastWorker()
        assert worker.pid is None  # lazily
        try:
            result = await worker.fit(job())
            assert isinstance(result, FitResult)
            assert [one.dependency for one in result.fitted] == ["prices"]
            assert [name for name, _ in result.failures] == ["new"]
            fitted = result.fitted[0]
            assert fitted.end_s == 96 * 3600.0 and len(fitted.mean) == 24
            expected = day(120)[96:]
            assert all(abs(said - true) < 10 for said, true in zip(fitted.mean, expected, strict=True))
            assert all(
                0 <= low <= mean <= high
                for low, mean, high in zip(fitted.low, fitted.mean, fitted.high, strict=True)
            )
            pid = worker.pid
            assert pid is not None
            assert psutil.Process(pid).memory_info().rss < 320 << 20
            assert await worker.fit(job(2)) is not None and worker.pid == pid  # one process for all jobs
            psutil.Process(pid).kill()
            again = await worker.fit(job(3))  # noticed at once, or by the broken pipe
            if again is None:
                again = await worker.fit(job(4))
            assert again is not None and worker.pid not in (None, pid)
            pid = worker.pid
        finally:
            await worker.close()
        assert worker.pid is None and pid is not None and not psutil.pid_exists(pid)
        assert await worker.fit(job()) is None  # closed is closed

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "text",
    [
        "time.sleep(60)",
        "sys.exit(3)",
        "sys.stdout.buffer.write(b'\\xff' * 64); sys.stdout.flush(); time.sleep(60)",
        "sys.stdout.buffer.write(b'\\0\\0\\0\\x02hi'); sys.stdout.flush(); time.sleep(60)",
        "sys.stdout.buffer.write(b'\\0\\0\\0\\x09hi'); sys.stdout.flush()",
    ],
    ids=["silent", "dies", "too long", "nonsense", "half a frame"],
)
def test_a_worker_that_misbehaves_is_gone_and_the_answer_is_none(tmp_path: Path, text: str) -> None:
    async def scenario() -> None:
        worker = ForecastWorker(timeout_s=1.0, command=misbehaving(tmp_path, text))
        try:
            for number in (1, 2):
                assert await worker.fit(job(number)) is None
                assert worker.pid is None
            assert worker.starts == worker.failures == 2
        finally:
            await worker.close()

    asyncio.run(scenario())


def test_a_command_that_does_not_exist_is_an_answer_too() -> None:
    async def scenario() -> None:
        worker = ForecastWorker(command=("/nonexistent/python",))
        assert await worker.fit(job()) is None
        await worker.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_giving_up_half_way_kills_the_worker(tmp_path: Path, how: str) -> None:
    async def scenario() -> None:
        worker = ForecastWorker(timeout_s=30.0, command=misbehaving(tmp_path, "time.sleep(60)"))
        waiting = asyncio.create_task(worker.fit(job()))
        while worker.pid is None:  # noqa: ASYNC110 - nothing tells when the process has been started
            await asyncio.sleep(0)
        pid = worker.pid
        if how == "cancel":
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await worker.close()
        else:
            await worker.close()
            assert await waiting is None
        assert not psutil.pid_exists(pid)

    asyncio.run(scenario())
