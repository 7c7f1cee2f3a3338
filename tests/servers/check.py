"""Sends digests by the real postrider through real mail servers and looks at what arrived: see `run`."""

import pathlib
import sys
import time

import cases_durable
import cases_names
import cases_servers
import cases_sink
import cases_upgrade

PARTS = {
    "postfix": cases_servers.POSTFIX,
    "exim": cases_servers.EXIM,
    "sink": cases_sink.CASES,
    "names": cases_names.CASES,
    "durable": cases_durable.CASES,
    "upgrade": cases_upgrade.CASES,
}


def main():
    folder, root = pathlib.Path(sys.argv[1]), sys.argv[2]
    # `postfix` is all of a part, `postfix.2` its third case alone.
    asked = [part.partition(".") for part in sys.argv[3:] or PARTS]
    failed = done = 0
    for part, _, only in asked:
        for index, case in enumerate(PARTS[part]):
            if only and int(only) != index:
                continue
            name, begun = case.__doc__ or case.__name__, time.monotonic()
            place = folder / f"{part}-{index}"
            place.mkdir()
            place.chmod(0o755)
            try:
                said = case(place, root)
            except AssertionError as wrong:
                failed += 1
                print(f"FAIL {part}: {name}\n     {wrong}", flush=True)
                continue
            done += 1
            took = time.monotonic() - begun
            print(f"ok   {part}: {name} ({took:.1f} s){': ' + said if said else ''}", flush=True)
    print(f"real mail servers: {done} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
