"""
The pages for operators: Starlette and Jinja2, rendered on the server, usable without scripts.

    app          the application: routes, error pages, and the guard around them
    guard        host check, session, login, forged requests, headers: what every request passes
    login        who may come in: users, tokens, a proxy's header; their roles
    dashboard    what the pages work with, and how a page is rendered
    pages/       one module for each group of pages
    reading      what pages and API read from a request
    api          the JSON API: its endpoints
    endpoint     one operation of the API
    openapi      the API's document
    prometheus   /metrics
    live         notifies open pages of changes
    svg          sparklines and histograms as SVG
    formats      the filters of the page templates
"""
