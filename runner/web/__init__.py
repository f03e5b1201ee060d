"""
The pages for operators: Starlette and Jinja2, rendered on the server, usable without scripts.

    app            the application: routes, error pages, and the guard around them
    guard          what every request passes: host, other sites, login, body, form, headers
    hosts          the names of the server, and whether a request is from its own pages
    peers          which proxies are believed, and where a request really comes from
    body           bodies, read whole up to a limit
    authenticator  who sent a request, and whether a login is right
    login          who may come in: users, tokens, a proxy's header; their roles
    sessions       cookies, and what Redis keeps of them
    guesses        wrong passwords and tokens, counted before they are checked
    dashboard      what the pages work with, and how a page is rendered
    pages/         one module for each group of pages
    reading        what pages and API read from a request
    api            the JSON API: its endpoints
    endpoint       one operation of the API
    openapi        the API's document
    prometheus     /metrics
    live           notifies open pages of changes
    charts         charts over time, with true axes and values
    svg            sparklines and histograms as SVG
    tracebacks     a traceback as it is read
    formats        the filters of the page templates
    icons          their symbols
    navigation     where they lead, and by which keys
    static_files   styles and scripts
"""
