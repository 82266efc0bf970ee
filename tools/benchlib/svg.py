# SPDX-License-Identifier: BSD-3-Clause
"""Small plots: lines over a logarithmic or linear axis, and bars, as SVG text."""

import html
import math

W, H, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 70, 20, 40, 60
COLOURS = ('#1f6fb4', '#d9822b', '#3a9a5b', '#b4413c', '#7a5aa6', '#6b6b6b')


def _text(x, y, text, **more):
    attrs = ''.join(f' {k.replace("_", "-")}="{v}"' for k, v in more.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{attrs}>{html.escape(str(text))}</text>'


def _frame(title, x_label, y_label, body):
    mid = (LEFT + W - RIGHT) / 2
    return '\n'.join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{W}" height="{H}" viewBox="0 0 {W} {H}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{W}" height="{H}" fill="white"/>',
        _text(mid, 22, title, text_anchor='middle', font_size=15),
        _text(mid, H - 14, x_label, text_anchor='middle'),
        f'<g transform="translate(16,{(TOP + H - BOTTOM) / 2}) rotate(-90)">'
        f'{_text(0, 0, y_label, text_anchor="middle")}</g>',
        *body, '</svg>', ''])


def _nice(top):
    """A round number at or above top, and a step that divides it."""
    if top <= 0:
        return 1, 0.25
    power = 10 ** math.floor(math.log10(top))
    for times, step in ((1, 0.2), (2, 0.5), (4, 1), (5, 1), (10, 2)):
        if top <= times * power * 1.0001:
            return times * power, step * power
    return 10 * power, 2 * power


def _y_axis(top, step):
    out = []
    n = round(top / step)
    for i in range(n + 1):
        y = H - BOTTOM - (H - BOTTOM - TOP) * i / n
        out.append(f'<line x1="{LEFT}" x2="{W - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(_text(LEFT - 6, y + 4, f'{i * step:g}', text_anchor='end'))
    return out


def lines(title, x_label, y_label, series, log_x=True, y_log=False):
    """series: {name: [(x, y), ...]}."""
    points = [p for line in series.values() for p in line]
    fx = math.log10 if log_x else float
    lo, hi = min(fx(x) for x, _ in points), max(fx(x) for x, _ in points)
    top, step = _nice(max(y for _, y in points))
    low_y = 0
    body = []
    if y_log:
        low_y = math.floor(math.log10(max(1e-9, min(y for _, y in points if y > 0))))
        top = math.ceil(math.log10(max(y for _, y in points)))
        top += top == low_y
        for i in range(int(low_y), int(top) + 1):
            y = H - BOTTOM - (H - BOTTOM - TOP) * (i - low_y) / (top - low_y)
            body.append(f'<line x1="{LEFT}" x2="{W - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
            body.append(_text(LEFT - 6, y + 4, f'{10 ** i:g}', text_anchor='end'))
    else:
        body += _y_axis(top, step)

    def at(x, y):
        y = math.log10(max(y, 10 ** low_y)) if y_log else y
        return (LEFT + 10 + (W - RIGHT - LEFT - 20) * ((fx(x) - lo) / (hi - lo) if hi > lo else 0.5),
                H - BOTTOM - (H - BOTTOM - TOP) * (y - low_y) / (top - low_y))

    for x in sorted({x for x, _ in points}):
        body.append(_text(at(x, 1)[0], H - BOTTOM + 18, f'{x:,g}', text_anchor='middle'))
    for i, (name, line) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = ' '.join(f'{x:.1f},{y:.1f}' for x, y in (at(*p) for p in line))
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x,
                 y in (at(*p) for p in line)]
        body.append(_text(W - RIGHT - 8, TOP + 16 * i + 4, name, text_anchor='end', fill=colour))
    return _frame(title, x_label, y_label, body)


def over_time(title, y_label, series, marks=()):
    """series: {name: [(seconds, y), ...]}; marks: [(seconds, text)], each a vertical line."""
    end = max(x for line in series.values() for x, _ in line) or 1
    x_top, x_step = _nice(end)
    top, step = _nice(max(y for line in series.values() for _, y in line))

    def at(x, y):
        return LEFT + (W - RIGHT - LEFT) * x / x_top, H - BOTTOM - (H - BOTTOM - TOP) * y / top

    body = _y_axis(top, step)
    for i in range(round(x_top / x_step) + 1):
        body.append(_text(at(i * x_step, 0)[0], H - BOTTOM + 18, f'{i * x_step:g}', text_anchor='middle'))
    for i, (x, text) in enumerate(marks):
        x = at(x, 0)[0]
        body.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{H - BOTTOM}" stroke="#999" '
                    'stroke-dasharray="4 3"/>')
        body.append(_text(x + 3, TOP + 12 + 14 * (i % 8), text, fill='#555', font_size=11))
    for i, (name, line) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = ' '.join(f'{x:.1f},{y:.1f}' for x, y in (at(*p) for p in line))
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body.append(_text(LEFT + 8 + 170 * i, H - BOTTOM + 36, f'\u2014 {name}', fill=colour))
    return _frame(title, 'seconds', y_label, body)


def bars(title, y_label, values):
    """values: {name: y}."""
    top, step = _nice(max(values.values()))
    body = _y_axis(top, step)
    width = (W - RIGHT - LEFT) / len(values)
    for i, (name, y) in enumerate(values.items()):
        height = (H - BOTTOM - TOP) * y / top
        x = LEFT + width * i + width * 0.2
        body.append(f'<rect x="{x:.1f}" y="{H - BOTTOM - height:.1f}" width="{width * 0.6:.1f}" '
                    f'height="{height:.1f}" fill="{COLOURS[i % len(COLOURS)]}"/>')
        body.append(_text(x + width * 0.3, H - BOTTOM - height - 5, f'{y:.3g}', text_anchor='middle'))
        body.append(_text(x + width * 0.3, H - BOTTOM + 18, name, text_anchor='middle'))
    return _frame(title, '', y_label, body)
