// What tracking costs: the time and the bytes of a log call, and a watched step of GPT-2's 124
// million parameters.
#include <muon/track/jsonl.hpp>
#include <muon/track/run.hpp>
#include <muon/track/tensorboard.hpp>
#include <muon/track/watch.hpp>

#include <benchmark/benchmark.h>
#include <torch/torch.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
namespace track = muon::track;

std::uintmax_t bytes_in(const fs::path& folder) {
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

/// Logs rows of `scalars` numbers to one sink.
void log(benchmark::State& state, const std::function<std::shared_ptr<track::Sink>()>& sink,
         int scalars) {
  const fs::path folder = fs::temp_directory_path() / "muon_bench_track";
  fs::remove_all(folder);
  {
    auto run = track::init({.dir = folder, .sinks = {sink()}});
    track::Object row;
    for (int i = 0; i < scalars; ++i)
      row.emplace_back("train/metric_" + std::to_string(i), 0.1234567 * i);
    for (auto _ : state) run.log(row);
  }
  state.counters["us_a_scalar"] =
      benchmark::Counter(static_cast<double>(state.iterations() * scalars) / 1e6,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes_a_row"] =
      static_cast<double>(bytes_in(folder)) / static_cast<double>(state.iterations());
  fs::remove_all(folder);
}

/// The shapes of GPT-2 124M, without their network: each parameter's gradient is random and of its
/// shape.
struct ShapesImpl : torch::nn::Module {
  ShapesImpl() {
    add("wte", {50257, 768});
    add("wpe", {1024, 768});
    for (int block = 0; block < 12; ++block) {
      const std::string prefix = "h" + std::to_string(block) + "_";
      for (const char* norm : {"ln_1", "ln_2"}) add(prefix + norm, {768});
      add(prefix + "c_attn", {2304, 768});
      add(prefix + "c_proj", {768, 768});
      add(prefix + "c_fc", {3072, 768});
      add(prefix + "mlp_proj", {768, 3072});
    }
  }
  void add(const std::string& name, std::vector<std::int64_t> shape) {
    register_parameter(name, torch::randn(shape) * 0.02);
  }
};

/// A backward pass that gives every parameter a gradient. `every` 0: not watched.
void backward(benchmark::State& state) {
  ShapesImpl model;
  const auto every = state.range(0);
  auto run = track::init({.sinks = {}});
  std::optional<track::Watch> watch;
  if (every > 0) watch.emplace(track::watch(run, model, {.log_freq = every}));
  for (auto _ : state) {
    torch::Tensor sum = torch::zeros({});
    for (const torch::Tensor& parameter : model.parameters())
      sum = sum + (parameter * parameter).sum();
    sum.backward();
    model.zero_grad();
    if (every > 0) run.log({{"x", 1}});
  }
}

void watched_step(benchmark::State& state) {
  ShapesImpl model;
  auto run = track::init({.sinks = {}});
  auto watch = track::watch(run, model, {.log = track::Log::parameters, .log_freq = 1});
  for (auto _ : state) {
    watch.step();
    run.log({{"x", 1}});
  }
}

const bool registered = [] {
  using benchmark::RegisterBenchmark;
  for (const int scalars : {1, 10, 100}) {
    const std::string count = "/" + std::to_string(scalars);
    const auto add = [&](const std::string& name,
                         const std::function<std::shared_ptr<track::Sink>()>& sink) {
      RegisterBenchmark(("log/" + name + count).c_str(),
                        [=](benchmark::State& state) { log(state, sink, scalars); });
    };
    add("wandb", [] { return track::wandb_offline(); });
    add("tensorboard", [] { return track::tensorboard(); });
    add("jsonl", [] { return track::jsonl(); });
  }
  RegisterBenchmark("watch/gpt2_124m_parameters", watched_step)->Unit(benchmark::kMillisecond);
  for (const int every : {0, 10, 1})
    RegisterBenchmark("backward/gpt2_124m_watched_every", backward)
        ->Arg(every)
        ->Unit(benchmark::kMillisecond)
        ->MinTime(4);
  return true;
}();

}  // namespace

BENCHMARK_MAIN();
