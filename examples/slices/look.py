"""A window that looks at a run: its parameters on the left, a slice of one of its views on the right.

``python look.py http://127.0.0.1:8400``; it needs ``pip install "silx[full]" PyQt6``.
"""

import argparse

from silx.gui import qt
from silx.gui.plot import Plot2D
from slices import Field, Slices

import penstock
from penstock.errors import PenstockError

EVERY_ms = 200


class Window(qt.QMainWindow):
    """Asks the run five times a second for the slice that is shown; as long as it does not answer, says so."""

    def __init__(self, slices: Slices) -> None:
        super().__init__()
        self.slices = slices
        self.setWindowTitle("slices")
        self.view, self.axis, self.index = qt.QComboBox(), qt.QComboBox(), qt.QSlider(qt.Qt.Orientation.Horizontal)
        self.axis.addItems(["0", "1", "2"])
        self.follow = qt.QCheckBox("the last")
        self.follow.setChecked(True)
        self.form, self.plot = qt.QFormLayout(), Plot2D()
        self._lay_out()
        self._ask()
        self.index.sliderMoved.connect(lambda: self.follow.setChecked(False))
        for changed in (self.view.currentTextChanged, self.axis.currentTextChanged, self.index.valueChanged):
            changed.connect(self.look)
        self.timer = qt.QTimer(self)
        self.timer.timeout.connect(self.look)
        self.timer.start(EVERY_ms)

    def look(self) -> None:
        """Show what there is now."""
        try:
            self._look()
        except (PenstockError, KeyError) as error:
            self.statusBar().showMessage(str(error))

    def _look(self) -> None:
        names = self.slices.names()
        if names != [self.view.itemText(k) for k in range(self.view.count())]:
            with qt.QSignalBlocker(self.view):
                self.view.clear()
                self.view.addItems(names)
        if not names:
            self.statusBar().showMessage("there is no view with two or three dimensions yet")
            return
        name, axis = self.view.currentText(), self.axis.currentIndex()
        last = self.slices.length(name, axis) - 1
        with qt.QSignalBlocker(self.index):
            self.index.setMaximum(max(last, 0))
            if self.follow.isChecked():
                self.index.setValue(last)
        found = self.slices.slice(name, axis, self.index.value())
        rows, columns = found.names
        self.plot.addImage(found.array, legend="slice", resetzoom=self.plot.getImage("slice") is None)
        self.plot.setGraphTitle(found.title)
        self.plot.setGraphXLabel(columns)
        self.plot.setGraphYLabel(rows)

    def _ask(self) -> None:
        """Make the form, a field for each parameter."""
        section = ""
        for each in self.slices.fields():
            if each.section != section:
                section = each.section
                self.form.addRow(qt.QLabel(f"<b>{section}</b>"))
            self.form.addRow(each.label, self._field(each))

    def _field(self, parameter: Field) -> qt.QWidget:
        if parameter.type == "bool":
            widget = qt.QCheckBox()
            widget.setChecked(parameter.value)
            widget.toggled.connect(lambda value: self._set(parameter, value))
        elif parameter.choices:
            widget = qt.QComboBox()
            widget.addItems([str(choice) for choice in parameter.choices])
            widget.setCurrentText(str(parameter.value))
            widget.currentIndexChanged.connect(lambda index: self._set(parameter, parameter.choices[index]))
        else:
            widget = qt.QLineEdit(str(parameter.value))
            widget.editingFinished.connect(lambda: self._set(parameter, parameter.parsed(widget.text())))
        widget.setObjectName(parameter.address)
        widget.setToolTip(parameter.help)
        return widget

    def _set(self, parameter: Field, value: object) -> None:
        self.statusBar().showMessage(self.slices.set(parameter.address, value))

    def _lay_out(self) -> None:
        above = qt.QHBoxLayout()
        for label, widget in (("view", self.view), ("across axis", self.axis)):
            above.addWidget(qt.QLabel(label))
            above.addWidget(widget)
        above.addWidget(self.index, 1)
        above.addWidget(self.follow)
        right = qt.QVBoxLayout()
        right.addLayout(above)
        right.addWidget(self.plot, 1)
        whole = qt.QHBoxLayout()
        whole.addLayout(self.form)
        whole.addLayout(right, 1)
        centre = qt.QWidget()
        centre.setLayout(whole)
        self.setCentralWidget(centre)
        self.resize(1000, 700)


def main() -> None:
    """Open the window, or save a picture of it."""
    parser = argparse.ArgumentParser(description="Look at slices of a run's views, and set its parameters.")
    parser.add_argument("address", nargs="?", default="http://127.0.0.1:8400")
    parser.add_argument("--save", metavar="PNG", help="save a picture of the window, and end")
    words = parser.parse_args()
    app = qt.QApplication([])
    with penstock.connect(words.address) as run:
        window = Window(Slices(run))
        window.show()
        window.look()
        if words.save:
            app.processEvents()
            window.grab().save(words.save)
        else:
            app.exec()


if __name__ == "__main__":
    main()
