"""
The pages for operators: Starlette and Jinja2, rendered on the server, usable without scripts.

    dashboard    what the pages work with, and how one is rendered
    login        who may come in, by login, token or a proxy's word, and what they may do
    guard        host check, security headers, CSRF: what every request passes
    pages/       one module for each group of pages
    live         tells open pages that something has changed
    svg          sparklines and histograms as SVG
    formats      numbers, times and spans for people
"""
