"""Types a file of tab-separated cells into an empty sheet of LibreOffice Calc, as a user would, with URL in
the place of its second cell, and prints what the cells then show. Usage: calc.py PROFILE FILE URL"""

import contextlib
import subprocess
import sys
import time

import uno
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException
from com.sun.star.lang import DisposedException

PIPE = f"gradd-{time.monotonic_ns()}"


def connect(office):
    """The desktop of an office that has just been started, as soon as it listens."""
    context = uno.getComponentContext()
    resolver = context.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", context)
    while True:
        try:
            context = resolver.resolve(f"uno:pipe,name={PIPE};urp;StarOffice.ComponentContext")
            return context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)
        except NoConnectException:
            if office.poll() is not None:
                raise
            time.sleep(0.1)


profile, path, url = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    rows = [line.rstrip("\n").split("\t") for line in file]
rows[0][1] = url
office = subprocess.Popen(["soffice", f"-env:UserInstallation=file://{profile}", "--headless", "--norestore",
                           f"--accept=pipe,name={PIPE};urp;"], stdout=sys.stderr)
try:
    desktop = connect(office)
    hidden = PropertyValue(Name="Hidden", Value=True)
    sheet = desktop.loadComponentFromURL("private:factory/scalc", "_blank", 0, (hidden,)).Sheets[0]
    for y, row in enumerate(rows):
        for x, text in enumerate(row):
            sheet.getCellByPosition(x, y).FormulaLocal = text
    for y, row in enumerate(rows):
        print("\t".join(sheet.getCellByPosition(x, y).String for x in range(len(row))))
    # It may be gone before it has answered that it goes.
    with contextlib.suppress(DisposedException):
        desktop.terminate()
finally:
    office.terminate()
    office.wait()
