"""One small data set in every format that people have, written by what writes it elsewhere."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

ROWS = [
    ("it is cold", "heat"),
    ("brr, it's freezing", "heat"),
    ('open the "red" door', "door"),
    ("öffne die Tür", "door"),
]


def table(separator: str) -> str:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if set(text) & {separator, '"'} else text

    lines = [("text", "label"), *ROWS]
    return "".join(f"{cell(text)}{separator}{cell(label)}\n" for text, label in lines)


def objects() -> list[dict[str, str]]:
    return [{"text": text, "label": label} for text, label in ROWS]


def by_label() -> dict[str, list[str]]:
    return {one: [text for text, label in ROWS if label == one] for one in ("heat", "door")}


def json_lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def label_studio() -> str:
    return json.dumps(
        [
            {
                "id": number,
                "data": {"text": text},
                "annotations": [
                    {"was_cancelled": False, "result": [
                        {"type": "choices", "value": {"choices": [label]}}
                    ]}
                ],
            }
            for number, (text, label) in enumerate(ROWS)
        ]
    )  # fmt: skip


def argilla() -> str:
    return json.dumps(
        [
            {
                "id": str(number), "fields": {"text": text}, "metadata": {},
                "suggestions": {"label": {"value": "other", "score": 0.3, "agent": "model"}},
                "responses": {"label": [{"value": label, "user_id": "u1"}]},
            }
            for number, (text, label) in enumerate(ROWS)
        ]
    )  # fmt: skip


def first_argilla() -> str:
    """Records of before version 1.8, of which one was discarded."""
    kept = [("Validated", text, label) for text, label in ROWS]
    return json_lines(
        [
            {
                "text": text, "inputs": {"text": text}, "prediction": None, "annotation": label,
                "annotation_agent": "anna", "status": status, "id": str(number),
            }
            for number, (status, text, label) in enumerate([*kept, ("Discarded", "asdf", "heat")])
        ]
    )  # fmt: skip


def chats(turns: str, who: str, words: str, *names: str) -> str:
    """Of two names how a person and a model are called, and of three a system before them."""
    return json_lines(
        [
            {
                turns: [
                    {who: name, words: said}
                    for name, said in zip(
                        names, ("Be short", text, label)[-len(names) :], strict=True
                    )
                ]
            }
            for text, label in ROWS
        ]
    )


def rasa() -> str:
    intents: dict[str, list[str]] = {}
    for text, label in ROWS:
        intents.setdefault(label, []).append(text)
    blocks = "".join(
        f"- intent: {label}\n  examples: |\n" + "".join(f"    - {text}\n" for text in texts)
        for label, texts in intents.items()
    )
    return f'version: "3.1"\nnlu:\n{blocks}- synonym: door\n  examples: |\n    - doors\n'


def rasa_json() -> str:
    examples = [{"text": text, "intent": label, "entities": []} for text, label in ROWS]
    return json.dumps({"rasa_nlu_data": {"common_examples": examples}})


def parquet(path: Path) -> None:
    import pyarrow
    from pyarrow import parquet as pq

    columns = {"id": range(len(ROWS)), "text": [text for text, _ in ROWS]}
    pq.write_table(pyarrow.table({**columns, "label": [label for _, label in ROWS]}), path)


def class_parquet(path: Path) -> None:
    """As ``datasets`` pushes it to the Hub: classes as numbers, their names in the metadata."""
    import datasets

    names = sorted({label for _, label in ROWS})
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
    )
    rows = {"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(path))


def excel(path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["text", "label", None])
    for row in ROWS:
        book.active.append([*row, None])
    book.save(path)


def merged(path: Path) -> None:
    """A title, and each label in one cell beside all of its texts."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["What people say in a building"])
    sheet.append(["label", "text"])
    for label, texts in by_label().items():
        first = sheet.max_row + 1
        for at, text in enumerate(texts):
            sheet.append([None if at else label, text])
        sheet.merge_cells(start_row=first, end_row=sheet.max_row, start_column=1, end_column=1)
    book.save(path)


def flat_argilla() -> str:
    return json.dumps(
        [
            {
                "id": str(number), "text": text, "topic.responses": [label],
                "topic.responses.users": ["u1"], "topic.responses.status": ["submitted"],
                "topic.suggestion": "other",
            }
            for number, (text, label) in enumerate(ROWS)
        ]
        + [{"text": "asdf", "topic.responses": ["heat"], "topic.responses.status": ["discarded"]}]
    )  # fmt: skip


def written(text: str, encoding: str = "utf-8") -> Callable[[Path], None]:
    return lambda path: path.write_bytes(text.encode(encoding)) and None


def packed(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(gzip.compress(text.encode(), mtime=0)) and None


def tarred(path: Path) -> None:
    """A tar archive of splits, as a competition packs them: the one to learn from is not the first."""
    with tarfile.open(path, "w:gz") as archive:
        for name in ("sample_submission", "test", "train"):
            data = (table(",") if name == "train" else "id,text\n1,a\n").encode()
            member = tarfile.TarInfo(f"./{name}.csv")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def zipped(**files: str) -> Callable[[Path], None]:
    """A ZIP file of these, as Windows and macOS pack: a dot stands for `_`, a folder for `__`."""

    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("__MACOSX/._x.csv", b"\0\5\26\7")
            for name, text in files.items():
                archive.writestr(name.replace("__", "\\").replace("_", "."), text)

    return make


def documents() -> dict[str, str]:
    """One text a file, in one folder a label."""
    return {f"{label}/{at}.txt": f"{text}\r\n" for at, (text, label) in enumerate(ROWS)}


#: How to write each, by the name of the file. What they all hold is `ROWS`.
FILES: dict[str, Callable[[Path], None]] = {
    "commas.csv": written(table(",")),
    "semicolons.csv": written(table(";")),
    "bars.csv": written(table("|")),
    "tabs.csv": written(table("\t")),
    "tabs.tsv": written(table("\t")),
    "UPPER.CSV": written(table(",")),
    "said.csv": written("sep=;\r\n" + table(";").replace("\n", "\r\n")),
    "said-tab.csv": written("sep=\t\r\n" + table("\t")),
    "mark.csv": written(table(","), "utf-8-sig"),
    "utf-16.csv": written(table("\t"), "utf-16"),
    "utf-16-unmarked.csv": written(table("\t"), "utf-16-le"),
    "windows.csv": written(table(";"), "cp1252"),
    "headers.csv": written(table(",").replace("text,label", "Text , LABEL")),
    "trailing.csv": written(table(",").replace("\n", ",,\n") + ",,,\n,,,\n"),
    "lines.jsonl": written(json_lines(objects())),
    "lines.ndjson": written(json_lines(objects())),
    "lines.json": written(json_lines(objects())),
    "array.json": written(json.dumps(objects(), indent=1)),
    "array.jsonl": written(json.dumps(objects())),
    "columns.json": written(
        json.dumps({"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]})
    ),
    "texts-of-labels.json": written(json.dumps(by_label())),
    "intents.json": written(
        json.dumps({"intents": [{"tag": one, "patterns": texts} for one, texts in by_label().items()]})
    ),
    "commas.tsv": written(table(",")),
    "quoted-header.csv": written(table(",").replace("text,label", "\u201ctext\u201d,'label'")),
    "data.json": written(json.dumps({"version": 1, "data": objects()})),
    "label-studio.json": written(label_studio()),
    "label-studio-min.json": written(
        json.dumps([{"text": text, "label": {"choices": [label]}} for text, label in ROWS])
    ),
    "argilla.json": written(argilla()),
    "first-argilla.jsonl": written(first_argilla()),
    "openai.jsonl": written(chats("messages", "role", "content", "system", "user", "assistant")),
    "share.jsonl": written(chats("conversations", "from", "value", "human", "gpt")),
    "lists-of-one.jsonl": written(
        json_lines([{"id": 1, "text": text, "label": [label]} for text, label in ROWS])
    ),
    "deep-inside.json": written(json.dumps({"meta": {"v": 1}, "data": {"items": objects()}})),
    "rasa.yml": written(rasa()),
    "rasa.json": written(rasa_json()),
    "titles.csv": written("# heard in a building\n\n" + table(",")),
    "table.txt": written(table("\t")),
    "zero-width.csv": written(table(",").replace("text", "\u200btext", 1)),
    "behind.txt": written("".join(f"{text} __label__{label}\n" for text, label in ROWS)),
    "cooking.train": written("".join(f"__label__{label} {text}\n" for text, label in ROWS)),
    "split.json": written(
        json.dumps({"columns": ["text", "label"], "index": [*range(len(ROWS))], "data": ROWS})
    ),
    "index.json": written(json.dumps(dict(enumerate(objects())))),
    "inside.json": written(json.dumps({"version": 1, "intents": [{"name": "heat"}], "rows": objects()})),
    "flat-argilla.json": written(flat_argilla()),
    "merged.xlsx": merged,
    "fasttext.txt": written("".join(f"__label__{label} {text}\n" for text, label in ROWS)),
    "spacy.jsonl": written(
        json_lines(
            [
                {"text": text, "cats": {name: float(name == label) for name in ("heat", "door")}}
                for text, label in ROWS
            ]
        )
    ),
    "prodigy.jsonl": written(
        json_lines(
            [
                {"text": text, "accept": [label], "answer": "accept"} for text, label in ROWS
            ]
            + [{"text": "asdf", "accept": ["heat"], "answer": "reject"}]
        )
    ),
    "plain.parquet": parquet,
    "classes.parquet": class_parquet,
    "book.xlsx": excel,
    "packed.csv.gz": packed(table(",")),
    "PACKED.JSONL.GZ": packed(json_lines(objects())),
    "packed.csv.bz2": lambda path: path.write_bytes(bz2.compress(table(",").encode())) and None,
    "packed.csv.xz": lambda path: path.write_bytes(lzma.compress(table(",").encode())) and None,
    "competition.tar.gz": tarred,
    "one.zip": zipped(train_csv=table(","), readme_txt="heard in a building"),
    "deep.zip": zipped(a__train_tsv=table("\t")),
    "labels.zip": zipped(**{
        name.replace("/", "__").replace(".", "_"): text for name, text in documents().items()
    }),
}  # fmt: skip

#: What must be told of each that is not plain: a part of its note.
TOLD = {
    "semicolons.csv": "separated by semicolons",
    "commas.tsv": "separated by commas",
    "quoted-header.csv": "was read as 'text'",
    "texts-of-labels.json": "one list of texts for each label",
    "bars.csv": "separated by bars",
    "tabs.csv": "separated by tabs",
    "utf-16.csv": "as UTF-16",
    "utf-16-unmarked.csv": "say --encoding",
    "windows.csv": "Windows-1252",
    "headers.csv": "column 'LABEL' was read as 'label'",
    "trailing.csv": "2 empty rows were left out",
    "titles.csv": "1 line above the header left out",
    "zero-width.csv": "was read as 'text'",
    "inside.json": "taken from 'rows'",
    "flat-argilla.json": "Argilla",
    "merged.xlsx": "1 row above the header left out of merged.xlsx merged cells of merged.xlsx were read",
    "label-studio.json": "Label Studio",
    "label-studio-min.json": "Label Studio",
    "argilla.json": "Argilla",
    "first-argilla.jsonl": "1 row of first-argilla.jsonl that Argilla calls rejected or skipped",
    "openai.jsonl": "chats with a model",
    "share.jsonl": "chats with a model",
    "deep-inside.json": "taken from 'items'",
    "rasa.yml": "Rasa",
    "spacy.jsonl": "spaCy",
    "prodigy.jsonl": "1 row of prodigy.jsonl",
    "competition.tar.gz": "'train.csv' was read from competition.tar.gz, and not 2 other tables",
    "one.zip": "'train.csv' was read from one.zip",
    "deep.zip": "'a/train.tsv' was read from deep.zip",
}
