"""The report of a storm: as JSON for machines, and as a page and as lines for people."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulators.storm.judge import Judgement
from simulators.storm.script import Storm

# What must not be, in the words of the report.
WRONG = {
    "duplicate": "the same message twice",
    "stale": "untrue when it left",
    "contradictory": "against what was told before",
    "too often": "more than one update an hour",
    "at night": "in quiet hours",
    "no end": "told of a cut, never of its end",
    "forgotten": "long without power, never told",
    "stranger": "to somebody who was not concerned",
}


def make_report(
    storm: Storm,
    judgement: Judgement,
    figures: Mapping[str, Any] | None,
    facts: Mapping[str, Any],
    as_read: Judgement | None = None,
) -> dict[str, Any]:
    """Everything that is known, with plain names; facts: how the storm was played.

    as_read: the judgement by what had been read, not only stated: what is wrong there is the fault
    of a decision, the rest that of a machine which did not keep up.
    """
    clock = float(facts.get("clock_speed", 1.0))
    per_person = sorted(judgement.per_person.items())
    report: dict[str, Any] = {
        "storm": {
            "seed": storm.seed,
            "hours": storm.hours,
            "faults": storm.fault_count,
            "points": len(storm.points),
            "versions": len(storm.statements),
            "stories": dict(storm.stories),
        },
        "played": dict(facts),
        "messages": {
            "count": judgement.messages,
            "people": judgement.people,
            "per_person": {str(count): people for count, people in per_person},
            "per_person_mean": round(judgement.messages / max(judgement.people, 1), 2),
            "per_person_most": judgement.most,
            "by_news": dict(judgement.by_news.most_common()),
        },
        "wrong": {name: judgement.wrong[name] for name in WRONG},
        "wrong_as_read": None if as_read is None else {name: as_read.wrong[name] for name in WRONG},
        "noted": dict(judgement.noted),
        "examples": judgement.examples,
        "kept": judgement.kept,
    }
    if figures is not None:
        cents = float(figures["cost_cents"])
        report["product"] = {
            **{name: figures[name] for name in figures if name not in ("hand_over", "cost_cents")},
            "cost_euros": round(cents / 100, 2),
            # The clock may have been quick; machines were not.
            "hand_over_real_s": [
                {
                    "kind": row["kind"],
                    "count": row["count"],
                    "p50": round(row["p50_s"] / clock, 3),
                    "p99": round(row["p99_s"] / clock, 3),
                    "worst": round(row["worst_s"] / clock, 3),
                }
                for row in figures["hand_over"]
            ],
        }
    return report


def write_report(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write storm.json and storm.html into the folder; an older report gives way."""
    folder.mkdir(parents=True, exist_ok=True)
    as_json, as_page = folder / "storm.json", folder / "storm.html"
    as_json.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", "utf-8")
    as_page.write_text(_page(report), "utf-8")
    return [as_json, as_page]


def summary_lines(report: Mapping[str, Any]) -> list[str]:
    """What a person wants to know first."""
    storm, messages, played = report["storm"], report["messages"], report["played"]
    lines = [
        f"{storm['faults']:,} faults in {storm['hours']:g} h, {storm['points']:,} points,"
        f" {storm['versions']:,} versions; played in {played['took_s']:,.0f} s",
        f"{messages['count']:,} messages to {messages['people']:,} people,"
        f" {messages['per_person_mean']} each, {messages['per_person_most']} at most",
        *(f"  {name:14} {count:>9,}" for name, count in messages["by_news"].items()),
    ]
    product = report.get("product")
    if product is not None:
        reasons: dict[str, int] = {}
        for name, count in product["suppressed"].items():
            reason = name.split(" ", 1)[1]
            reasons[reason] = reasons.get(reason, 0) + count
        most = sorted(reasons.items(), key=lambda one: -one[1])
        lines += [
            f"cost: {product['cost_euros']:,.2f} EUR, {product['sms_parts']:,} SMS parts,"
            f" {product['emails']:,} e-mails",
            "not told, by reason: " + ", ".join(f"{name} {count:,}" for name, count in most),
            f"held on purpose: {product['held_count']:,}; sent again after a doubt:"
            f" {product['resent_count']:,}; still in doubt: {product['unknown_count']:,}",
            "news in -> handed to the provider, in real seconds:",
            *(
                f"  {row['kind']:22} {row['count']:>9,}  p50 {row['p50']:>8.2f}"
                f"  p99 {row['p99']:>8.2f}  worst {row['worst']:>8.2f}"
                for row in product["hand_over_real_s"]
            ),
        ]
    lines.append("what must not be, by what was stated, and by what had been read of it:")
    read = report["wrong_as_read"] or {}
    lines += [
        f"  {name:14} {count:>7,} {read.get(name, '-'):>7}  {WRONG[name]}"
        for name, count in report["wrong"].items()
    ]
    for name, some in report["examples"].items():
        lines += [f"    {name}: {one}" for one in some[:3]]
    lines.append("Every promise was kept." if report["kept"] else "NOT every promise was kept.")
    return lines


def _page(report: Mapping[str, Any]) -> str:
    storm, messages = report["storm"], report["messages"]
    product = report.get("product", {})
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Storm rehearsal</title>",
        "<meta name=viewport content='width=device-width'><style>",
        "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}",
        "table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .75rem;",
        "border-bottom:1px solid #bbb;text-align:left}td.n{text-align:right}",
        "</style><h1>Storm rehearsal</h1>",
        f"<p><strong>{'Every promise was kept.' if report['kept'] else 'Promises were broken.'}",
        f"</strong> {storm['faults']:,} faults, {storm['points']:,} metering points,",
        f" {storm['hours']:g} hours, seed {storm['seed']}.</p>",
        _table("What must not be", [(WRONG[k], v) for k, v in report["wrong"].items()]),
        _table("Messages by kind", list(messages["by_news"].items())),
        _table("Messages per person", list(messages["per_person"].items())),
    ]
    if product:
        parts.append(
            _table(
                "Cost",
                [
                    ("euros", product["cost_euros"]),
                    ("SMS parts", product["sms_parts"]),
                    ("e-mails", product["emails"]),
                ],
            )
        )
        reasons = sorted(product["suppressed"].items())
        parts.append(_table("Not told, by kind and reason", reasons))
        rows = [
            (f"{row['kind']}: p50 / p99 / worst", f"{row['p50']} / {row['p99']} / {row['worst']}")
            for row in product["hand_over_real_s"]
        ]
        parts.append(_table("News in to provider, real seconds", rows))
    parts.append(_table("How it was played", list(report["played"].items())))
    for name, some in report["examples"].items():
        parts.append(_table(f"Examples: {name}", [(one, "") for one in some]))
    return "\n".join(parts) + "</html>\n"


def _table(title: str, rows: Sequence[tuple[object, object]]) -> str:
    cells = "".join(
        f"<tr><th scope=row>{html.escape(str(name))}</th>"
        f"<td class=n>{html.escape(f'{value:,}' if isinstance(value, int) else str(value))}</td></tr>"
        for name, value in rows
    )
    return f"<h2>{html.escape(title)}</h2><table>{cells}</table>"
