// muon/track/sink.hpp: a destination that a run is written to. To write a run somewhere else,
// derive from Sink:
//
//     struct Printer : muon::track::Sink {
//       std::string name() const override { return "printer"; }
//       void row(const muon::track::Row& row) override {
//         std::cout << row.step << ": " << row.values.size() << " values\n";
//       }
//     };
//     auto run = muon::track::init({.project = "mnist", .sinks = {std::make_shared<Printer>()}});
//
// A sink belongs to one run. It is called by one thread at a time and must not call its own run. If
// it throws, the data of that call is lost, the run continues, and Run::problems reports it; only
// `start` may fail the run.
#pragma once

#include <muon/export.hpp>
#include <muon/track/record.hpp>
#include <muon/track/value.hpp>

#include <filesystem>
#include <string>

namespace muon::track {

class MUON_API Sink {
 public:
  virtual ~Sink() = default;
  /// The name used in messages.
  virtual std::string name() const = 0;
  /// Called once, before everything else. An exception makes `init` fail.
  virtual void start(const RunInfo&, const Object& /*config*/) {}
  /// The config changed during the run: `changes` has the new values of the entries that changed,
  /// `config` has all entries.
  virtual void config(const Object& /*changes*/, const Object& /*config*/) {}
  virtual void define_metric(const MetricDefinition&) {}
  virtual void row(const Row& row) = 0;
  /// Metrics of the machine (RunOptions::system_metrics_interval) under W&B's names: "cpu",
  /// "proc.memory.rssMB", ...
  virtual void system(const Row&) {}
  /// The last call. `last` has the last value of every name.
  virtual void finish(int /*exit_code*/, const Row& /*last*/) {}
  /// The file or folder that is written; empty if there is none.
  virtual std::filesystem::path path() const { return {}; }
};

}  // namespace muon::track
