"""Compares what W&B's and TensorBoard's own readers find in a run with the same run as lines of JSON.

  official_readers.py wandb FILE.wandb LINES.jsonl
  official_readers.py tensorboard FOLDER LINES.jsonl

Exit status: 0 they agree, 1 they do not, 77 the reader is not installed.
"""
import json
import math
import struct
import sys


def is_histogram(value):
    return isinstance(value, dict) and value.get("_type") == "histogram"


def leaves(value, path=()):
    for key, inner in value.items():
        if isinstance(inner, dict) and not is_histogram(inner):
            yield from leaves(inner, path + (key,))
        else:
            yield path + (key,), inner


def number(value):
    """Lines of JSON have what is not finite as text."""
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else value


def same(a, b):
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b or (math.isnan(a) and math.isnan(b))
    return a == b


def expect(condition, what):
    if not condition:
        sys.exit(f"official_readers: {what}")


def rows_of(lines):
    for line in open(lines, encoding="utf-8"):
        row = json.loads(line)
        if "_step" in row:
            yield row


def check_wandb(log, lines):
    try:
        from wandb.proto import wandb_internal_pb2 as pb
        from wandb.sdk.internal.datastore import DataStore
    except ImportError as error:
        print("official_readers:", error)
        sys.exit(77)
    store = DataStore()
    store.open_for_scan(log)
    records = []
    while (data := store.scan_data()) is not None:
        record = pb.Record()
        record.ParseFromString(data)
        expect(record.WhichOneof("record_type"), "a record without a kind")
        records.append(record)
    kinds = [record.WhichOneof("record_type") for record in records]
    expect([r.num for r in records] == list(range(1, len(records) + 1)), "numbers are not 1, 2, 3, ...")
    expect(kinds[:2] == ["header", "run"] and kinds.count("run") == 1, f"the log begins with {kinds[:2]}")
    expect(kinds[-2:] == ["exit", "final"] and kinds.count("exit") == 1, f"the log ends with {kinds[-2:]}")
    run = records[1].run
    expect(run.project == "official" and run.display_name == "学习 run" and list(run.tags) == ["a", "b"], "the run record")
    expect(run.notes == "bad \ufffd byte", f"notes {run.notes!r}")
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    expect(config == {"lr": 0.02, "data": {"name": "mnist", "n": 5}}, f"config {config}")
    expect([json.loads(i.value_json) for r in records if r.HasField("config") for i in r.config.update] == [0.01], "config update")
    metrics = [r.metric for r in records if r.HasField("metric")]
    expect([(m.glob_name, m.name, m.step_metric) for m in metrics]
           == [("val/*", "", "epoch"), ("", "val/loss", "epoch")] and metrics[1].expanded_from_glob, f"metrics {metrics}")
    expect(all(m.summary.min and m.goal == pb.MetricRecord.GOAL_MINIMIZE and m.options.defined for m in metrics), "metric options")
    expect(any(kind == "stats" for kind in kinds), "no system metrics")
    expect(records[-2].exit.exit_code == 0, "the exit code")

    history = [r.history for r in records if r.HasField("history")]
    rows = list(rows_of(lines))
    expect(len(history) == len(rows) == 400, f"{len(history)} rows and {len(rows)} lines")
    summary = {}
    for record in records:
        if record.HasField("summary"):
            for item in record.summary.update:
                summary[tuple(item.nested_key)] = json.loads(item.value_json)
    for found, row in zip(history, rows):
        expect(found.step.num == row["_step"], "a step")
        expect(all(not item.key and item.nested_key for item in found.item), "an item without nested keys")
        items = {tuple(item.nested_key): json.loads(item.value_json) for item in found.item}
        for path, value in leaves(row):
            if is_histogram(value):
                for part, content in value.items():
                    expect(items.pop(path + (part,)) == content, f"{path} {part}")
            else:
                got = items.pop(path)
                expect(same(got, number(value)), f"{path}: {got} and {value}")
        expect(not items, f"items {items} in no line")
    expect(summary[("i",)] == 399 and summary[("val/loss", "min")] == 1 / 351, "the summary")
    expect(summary[("gradients/0.weight", "_type")] == "histogram", "the summary's histograms")
    print(f"wandb: {len(records)} records agree")


def check_tensorboard(folder, lines):
    try:
        from tensorboard.backend.event_processing import event_accumulator
        from tensorboard.plugins.hparams import plugin_data_pb2
    except ImportError as error:
        print("official_readers:", error)
        sys.exit(77)
    events = event_accumulator.EventAccumulator(folder, event_accumulator.STORE_EVERYTHING_SIZE_GUIDANCE)
    events.Reload()
    scalars, histograms, texts = {}, {}, {}
    for row in rows_of(lines):
        for path, value in leaves(row):
            tag = "/".join(path)
            if tag.startswith("_"):
                continue
            if is_histogram(value):
                histograms.setdefault(tag, []).append((row["_step"], value))
            elif isinstance(number(value), str):
                texts.setdefault(tag + "/text_summary", []).append((row["_step"], value))
            else:
                try:
                    rounded = struct.unpack("f", struct.pack("f", number(value)))[0]
                except OverflowError:
                    rounded = math.inf
                scalars.setdefault(tag, []).append((row["_step"], rounded))
    tags = events.Tags()
    expect(sorted(tags["scalars"]) == sorted(scalars), f"scalars {tags['scalars']}")
    for tag, points in scalars.items():
        found = [(e.step, e.value) for e in events.Scalars(tag)]
        expect(len(found) == len(points) and all(a[0] == b[0] and same(a[1], b[1]) for a, b in zip(found, points)), tag)
    expect(sorted(tags["histograms"]) == sorted(histograms), f"histograms {tags['histograms']}")
    for tag, points in histograms.items():
        for found, (step, value) in zip(events.Histograms(tag), points):
            h = found.histogram_value
            expect(found.step == step and list(h.bucket) == value["values"], tag)
            expect(list(h.bucket_limit) == value["bins"][1:] and h.min == value["bins"][0] and h.max == value["bins"][-1], tag)
            expect(h.num == sum(value["values"]), tag)
    for tag, points in texts.items():
        found = [(e.step, e.tensor_proto.string_val[0].decode()) for e in events.Tensors(tag)]
        expect(found == points, tag)
    hparams = events.PluginTagToContent("hparams")
    start = plugin_data_pb2.HParamsPluginData.FromString(hparams["_hparams_/session_start_info"]).session_start_info
    expect(start.hparams["lr"].number_value == 0.02 and start.hparams["data/name"].string_value == "mnist", f"hparams {start}")
    end = plugin_data_pb2.HParamsPluginData.FromString(hparams["_hparams_/session_end_info"]).session_end_info
    expect(end.status == 1, f"status {end.status}")
    print(f"tensorboard: {len(scalars)} scalars, {len(histograms)} histograms agree")


{"wandb": check_wandb, "tensorboard": check_tensorboard}[sys.argv[1]](sys.argv[2], sys.argv[3])
