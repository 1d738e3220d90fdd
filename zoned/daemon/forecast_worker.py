"""The agent's side of the fitting worker: starts it, hands it jobs, and does without it when it fails.

The worker is a process of its own because statsforecast in the agent would cost 200 MB and, as it holds the
interpreter while it fits, tens of milliseconds of every read (measured: forecast.md). It is started when
the first job comes, stays, and is killed by its number when it does not answer in time, answers nonsense,
or the agent gives up on the job half way; the next job starts another. None is always a possible answer:
the forecaster then goes on with its online model.

Rejected: multiprocessing and its pools (they fork or re-import the agent), a worker per job (two seconds
of imports each).
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from zoned.core.errors import PeerError
from zoned.core.records import FitJob, FitResult
from zoned.models.codec import HEADER, decode_result, encode_job, frame, frame_length

_START_S = 60.0  # for imports on a busy machine
_GOODBYE_S = 2.0  # for a worker to end by itself when its input does
_PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])


class ForecastWorker:
    """One worker process at most, started lazily. ``timeout_s``: wall time for a job; by default four times
    its CPU budget (the worker runs at low priority), and a minute for starting."""

    def __init__(self, timeout_s: float | None = None, command: tuple[str, ...] | None = None) -> None:
        self._timeout_s = timeout_s
        self._command = command or (sys.executable, "-m", "zoned.models")
        self._process: Process | None = None
        self._one_job = asyncio.Lock()
        self._closed = False
        self.starts = 0
        self.failures = 0

    @property
    def pid(self) -> int | None:
        """The worker's process, while there is one."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def fit(self, job: FitJob) -> FitResult | None:
        """Have a job done; None when the worker failed, or took too long. Cancelled: the worker is killed."""
        async with self._one_job:
            if self._closed:
                return None
            timeout_s = 4.0 * job.budget_s + _START_S if self._timeout_s is None else self._timeout_s
            result: FitResult | None = None
            try:
                async with asyncio.timeout(timeout_s):
                    result = await self._ask(job)
            except (TimeoutError, OSError, EOFError, PeerError):
                self.failures += 1
            finally:
                if result is None:  # the pipe may hold half an answer: never use it again
                    await self._end(0.0)
            return result

    async def _ask(self, job: FitJob) -> FitResult:
        process = await self._running()
        if self._closed:
            raise EOFError("closed while it started")
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(frame(encode_job(job)))
        await process.stdin.drain()
        header = await process.stdout.readexactly(HEADER.size)
        return decode_result(await process.stdout.readexactly(frame_length(header)))

    async def _running(self) -> Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self._end(0.0)
        self.starts += 1
        path = os.pathsep.join(part for part in (_PACKAGE_ROOT, os.environ.get("PYTHONPATH", "")) if part)
        # its own session: a terminal's ^C is for the agent, which then closes us
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=PIPE,
            stdout=PIPE,
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
        return self._process

    async def _end(self, patience_s: float) -> None:
        """End the worker: close its input, wait that long, then kill it; returns when it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(patience_s):
                await process.wait()
        except TimeoutError:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def close(self) -> None:
        """End the worker for good; a job that is out gets None."""
        self._closed = True
        if self._one_job.locked() and (process := self._process) is not None and process.returncode is None:
            process.kill()
        async with self._one_job:
            await self._end(_GOODBYE_S)
