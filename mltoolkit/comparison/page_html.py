"""The page on two models as HTML. Every name in it comes from files and is escaped; it holds no script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mltoolkit.comparison.confusion import confusion_matrix
from mltoolkit.comparison.layer_html import layer_table, not_measured
from mltoolkit.comparison.layer_plot import draw_layers
from mltoolkit.comparison.layer_report import findings
from mltoolkit.comparison.plotting import page_svg
from mltoolkit.comparison.report_text import answers, difference, headline, output_figures
from mltoolkit.markup.colours import DARK, LIGHT, variables
from mltoolkit.markup.fragments import STYLE, Html, bar, details, facts, figure, gallery, section, table
from mltoolkit.markup.text import bytes_text, escaped

if TYPE_CHECKING:
    from mltoolkit.comparison.page import ComparisonPage
    from mltoolkit.comparison.pictures import WorstPicture
    from mltoolkit.comparison.sizes import StoredWeights

# Labels of a confusion matrix; pairs of classes shown at once, and when the reader asks for more.
_MATRIX = 20
_PAIRS = 20
_MORE_PAIRS = 480
_UNREADABLE = 500

_RULES = """
body{margin:0;background:var(--page);color:var(--text);font:14px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1140px;margin:0 auto;padding:24px 20px 60px}
h1{font-size:22px;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:17px;margin:0 0 8px}
main>p,.mlt p.said{color:var(--text)}nav{margin:12px 0 20px}nav a{color:var(--accent);margin-right:18px}
.mlt{margin:0 0 18px;max-width:none}.mlt svg{width:100%;height:auto;display:block}
.mlt td.hit{background:var(--raised)}.mlt td.miss{font-weight:700;color:var(--bad)}
.mlt .row{border-bottom:1px solid var(--line);padding:8px 0}.mlt .row figure{width:auto;max-width:270px}
.mlt figure img{min-width:84px}.mlt td:has(.t){white-space:nowrap}
a:focus-visible,summary:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
"""
# As specific as the style of the fragments, which must win over a notebook's own, and a little more.
_CSS = _RULES.strip().replace("\n", "").replace(".mlt", "main .mlt.mlt.mlt")

# Nothing is fetched and nothing runs, whatever a model's names may try.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page_html(page: ComparisonPage) -> str:
    """The whole page.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    parts = {
        "agreement": ("Agreement", _agreement(page)),
        "classes": ("Which class became which", _classes(page)),
        "pictures": ("Inputs that differ most", _pictures(page)),
        "layers": ("Error, layer by layer", _layers(page)),
        "sizes": ("Sizes", _sizes(page)),
        "unreadable": ("Left out, since they could not be read", _unreadable(page)),
    }
    bodies = {name: (title, "".join(body)) for name, (title, body) in parts.items()}
    bodies = {name: item for name, item in bodies.items() if item[1]}
    links = "".join(f'<a href="#{name}">{escaped(title)}</a>' for name, (title, _) in bodies.items())
    sections = "".join(
        f'<section class="mlt" id="{name}"><h2>{escaped(title)}</h2>{body}</section>'
        for name, (title, body) in bodies.items()
    )
    title = f"{escaped(page.second)} against {escaped(page.first)}"
    style = f":root{{color-scheme:light dark;{variables(LIGHT)}}}@media(prefers-color-scheme:dark){{:root{{"
    style += f"{variables(DARK)}}}}}{STYLE}{_CSS}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body><main>"
        f"<h1>{title}</h1><p>{page.comparison.count:,} inputs from {escaped(page.comparison.source, 1000)}</p>"
        f'<nav aria-label="Parts of the page">{links}</nav>{sections}</main></body></html>\n'
    )


def _agreement(page: ComparisonPage) -> Iterator[str]:
    yield facts([*headline(page.comparison), *_size_facts(page)])
    for output in page.comparison.outputs:
        yield section(f"Output {output.name}")
        yield facts(output_figures(output))


def _size_facts(page: ComparisonPage) -> Iterator[tuple[str, str]]:
    first, second = page.sizes.first_bytes, page.sizes.second_bytes
    share = f", {100 * second / first:.1f} %" if first else ""
    yield "Size", f"{bytes_text(first)} → {bytes_text(second)}{share}"


def _classes(page: ComparisonPage) -> Iterator[str]:
    if page.comparison.top1_agreement is None:
        return
    if not page.disagreements:
        yield '<p class="said">Both models give the same class for every input.</p>'
        return
    most = page.disagreements[0].count
    head = ("first model", "second model", "inputs", "for instance")
    rows = [
        (item.first, item.second, bar(item.count / most, f"{item.count:,}", "bad"), item.example)
        for item in page.disagreements[: _PAIRS + _MORE_PAIRS]
    ]
    yield table(head, rows[:_PAIRS])
    if len(page.disagreements) > _PAIRS:
        rest = len(page.disagreements) - _PAIRS
        shown = "" if rest <= _MORE_PAIRS else f", the first {_MORE_PAIRS:,} of them"
        yield details(f"{rest:,} more pairs of classes{shown}", table(head, rows[_PAIRS:]))
    labels, counts = confusion_matrix(page.comparison, _MATRIX)
    if labels:
        yield section("All answers: rows by the first model, columns by the second")
        yield _matrix(labels, counts)


def _matrix(labels: list[str], counts: list[list[int]]) -> str:
    head = "".join(f'<th scope="col" class="n">{escaped(label, 30)}</th>' for label in labels)
    rows = ""
    for place, (label, row) in enumerate(zip(labels, counts, strict=True)):
        kinds = ["hit" if column == place else "miss" if count else "" for column, count in enumerate(row)]
        cells = "".join(f'<td class="n {kind}">{count or "·"}</td>' for kind, count in zip(kinds, row, strict=True))
        rows += f'<tr><th scope="row">{escaped(label, 30)}</th>{cells}</tr>'
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _pictures(page: ComparisonPage) -> Iterator[str]:
    plain: list[str] = []
    for picture in page.pictures:
        if picture.made:
            yield f'<div class="row">{gallery(_made(picture))}</div>'
        elif picture.given:
            plain.append(figure(picture.given, picture.row.name, _answers(picture)))
    if plain:
        yield gallery(plain)
    rest = [picture.row for picture in page.pictures if not picture.made and not picture.given]
    if rest:
        yield table(("input", "first model → second model"), ((row.name, difference(row)) for row in rest))


def _answers(picture: WorstPicture) -> Iterator[str]:
    yield from answers(picture.row)
    if picture.row.kl is not None:
        yield f"KL {picture.row.kl:.3g} nats"


def _made(picture: WorstPicture) -> Iterator[str]:
    if picture.given:
        yield figure(picture.given, picture.row.name, [difference(picture.row)])
    for name, first, second in picture.made:
        yield figure(first, "first model", [name])
        yield figure(second, "second model", [name])


def _layers(page: ComparisonPage) -> Iterator[str]:
    if page.layers is None:
        yield f'<p class="said">The layers were not compared: {escaped(page.no_layers, 1000)}</p>'
        return
    said = " ".join(findings(page.layers))
    yield f'<p class="said">{escaped(said, 1000)}</p>'
    with draw_layers(page.layers) as plot:
        yield page_svg(plot, "layers", said)
    yield f"<p>Signal to noise of every layer's output on {len(page.layers.samples):,} samples. Accumulated: both "
    yield "models run freely, each layer reads what its own model computed. Isolated: the second model's layer reads "
    yield "what the first model computed.</p>"
    yield layer_table(page.layers)
    yield from not_measured(page.layers)


def _sizes(page: ComparisonPage) -> Iterator[str]:
    sizes = page.sizes
    yield facts(
        [
            ("first model", f"{page.first}: {sizes.first_bytes:,} bytes"),
            ("second model", f"{page.second}: {sizes.second_bytes:,} bytes"),
        ]
    )
    if not sizes.layers:
        return
    head = ("layer", "type", "values", "first: stored as", "bits", "bytes", "second: stored as", "bits ", "bytes ")
    rows: list[tuple[object, ...]] = [
        (
            f"{layer.stage}/{layer.layer}" if layer.stage else layer.layer,
            layer.type,
            f"{(layer.first or layer.second).parameters:,}",  # type: ignore[union-attr]  # one of them is there
            *_stored(layer.first),
            *_stored(layer.second),
        )
        for layer in sizes.layers
    ]
    totals = sizes.total("first"), sizes.total("second")
    rows.append(("together", "", f"{totals[0].parameters:,}", *_stored(totals[0]), *_stored(totals[1])))
    yield section("Layers with weights; bits a value, with scales and tables")
    yield table(head, rows, numeric=("values", "bits", "bytes", "bits ", "bytes "))


def _stored(weights: StoredWeights | None) -> tuple[object, ...]:
    if weights is None:
        return Html("<i>no such layer</i>"), "", ""
    return weights.storage, f"{weights.bits:.2f}" if weights.parameters else "", f"{weights.bytes:,}"


def _unreadable(page: ComparisonPage) -> Iterator[str]:
    found = page.comparison.unreadable
    if found:
        yield f"<p>{len(found):,} files</p>"
        yield table(("file", "reason"), ((item.name, item.reason) for item in found[:_UNREADABLE]))
