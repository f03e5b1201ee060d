"""
CSVs of any layout.

    layouts/ mapping known_layouts layout   which column holds what, in TOML; read as a `Layout`
    table                                   the file's rows, as text
    companions                              lists beside the file that say more of its rows
    columns facts                           rows to typed facts, or the reason why not
    duplicates fact_files fact_cache        the facts that count, on disk by channel, for all
    rejects csv_source                      the `Source`: reads a channel's facts, and dates them
"""
