"""``zoned get`` and ``zoned invalidate``: one instance, by hand."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable

import click

from zoned.cli.acts import act, dry_run_option
from zoned.cli.client import Agent, AgentError, Answer, path_of, reason_of
from zoned.cli.output import asks_agent, pairs, show, wants_json
from zoned.cli.reads import key_bytes

_TELLING = ("cache-status", "age", "etag", "content-length")


@click.command()
@click.argument("dependency")
@click.argument("key")
@click.option("--head", is_flag=True, help="Only where it came from, not its bytes.")
@asks_agent
def get(agent: Agent, output: str | None, dependency: str, key: str, head: bool) -> None:
    """Read an instance through the agent; its bytes go to standard output (-o json: in base64)."""
    method = "HEAD" if head else "GET"
    answer = agent.request(method, path_of("d", dependency, key_bytes(key)))
    if answer.status >= 400:
        raise AgentError(f"{dependency} {key}: {reason_of(answer)}")
    if output == "json" or (head and wants_json(output)):
        show(_described(answer, head), "json", list)
    elif head:
        for line in _head_lines(answer):
            click.echo(line)
    else:
        sys.stdout.buffer.write(answer.body)
        sys.stdout.buffer.flush()


def _described(answer: Answer, head: bool) -> dict[str, object]:
    value: dict[str, object] = {name.replace("-", "_"): answer.headers.get(name) for name in _TELLING}
    if not head:
        value["body_base64"] = base64.b64encode(answer.body).decode()
    return {"status": answer.status, **value}


def _head_lines(answer: Answer) -> Iterable[str]:
    return pairs({name: answer.headers[name] for name in _TELLING if name in answer.headers})


@click.command()
@click.argument("dependency")
@click.argument("key", required=False)
@dry_run_option
@asks_agent
def invalidate(agent: Agent, output: str | None, dependency: str, key: str | None, dry_run: bool) -> None:
    """No copy of KEY (without it: of the whole dependency) may be served any more, anywhere."""
    body: dict[str, object] = {"dependency": dependency}
    if key is not None:
        body["key"] = key  # bytes that are not UTF-8 travel as the lone surrogates that the shell's became
    text = f"invalidated {dependency}" + (f" {key}" if key is not None else "")
    act(agent, output, "invalidate", body, dry_run, text)
