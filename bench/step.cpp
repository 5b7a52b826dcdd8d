// bench_step: a whole step of an optimizer on the shapes of real models, gradients ready.
//
//   muon/MODEL/METHOD/threads:N    muon::Muon::step(), in turn with the naive step (see naive.hpp)
//   adamw/TENSORS/threads:N        the AdamW part of muon::MuonWithAuxAdam, in turn with
//                                  torch::optim::AdamW
//   passes/gpt2/threads:N          the step's passes over memory besides products, in turn with
//                                  copying as many bytes; over_copy
//   update/768x3072                the last product, which updates the parameter, in turn with one
//                                  that does not; extra_ms
//   memory/gpt2/METHOD             extra_mib: the step's memory beyond parameters, gradients and
//                                  momentum
#include "measure.hpp"
#include "naive.hpp"

#include "kernels/elementwise.hpp"
#include "kernels/symmetric.hpp"
#include "optim/update.hpp"

#include <muon/muon.hpp>

#include <omp.h>

#include <string>
#include <vector>

namespace {

using Shapes = std::vector<std::vector<std::int64_t>>;

void repeat(Shapes& shapes, int count, const std::vector<std::int64_t>& shape) {
  shapes.insert(shapes.end(), static_cast<std::size_t>(count), shape);
}

Shapes small_net() { return {{256, 784}, {10, 256}}; }

/// The convolutions of a ResNet-18 behind the first.
Shapes resnet18() {
  Shapes shapes;
  repeat(shapes, 4, {64, 64, 3, 3});
  for (const std::int64_t width : {128, 256, 512}) {
    shapes.push_back({width, width / 2, 3, 3});
    repeat(shapes, 3, {width, width, 3, 3});
    shapes.push_back({width, width / 2, 1, 1});
  }
  return shapes;
}

/// The hidden matrices of GPT-2 124M.
Shapes gpt2() {
  Shapes shapes;
  for (int layer = 0; layer < 12; ++layer) {
    shapes.push_back({2304, 768});
    shapes.push_back({768, 768});
    shapes.push_back({3072, 768});
    shapes.push_back({768, 3072});
  }
  return shapes;
}

Shapes thousand() {
  Shapes shapes;
  repeat(shapes, 1000, {32, 32});
  return shapes;
}

/// 145 tensors of 29 million values in all, the sizes of a transformer's embeddings, gains and
/// biases.
Shapes auxiliary() {
  Shapes shapes{{32768, 768}};
  repeat(shapes, 48, {768});
  repeat(shapes, 48, {3072});
  repeat(shapes, 48, {76800});
  return shapes;
}

std::vector<torch::Tensor> parameters_of(const Shapes& shapes) {
  torch::manual_seed(1);
  std::vector<torch::Tensor> parameters;
  for (const auto& shape : shapes) {
    parameters.push_back(torch::randn(shape).mul_(0.02).requires_grad_());
    parameters.back().mutable_grad() = torch::randn(shape);
  }
  return parameters;
}

muon::MuonOptions options_of(muon::Method method) { return muon::MuonOptions(1e-4).method(method); }

void muon_step(benchmark::State& state, const Shapes& shapes, muon::Method method, int threads) {
  torch::set_num_threads(threads);
  muon::Muon optimizer(parameters_of(shapes), options_of(method));
  auto others = parameters_of(shapes);
  std::vector<torch::Tensor> buffers;
  for (const torch::Tensor& parameter : others) buffers.push_back(torch::zeros_like(parameter));
  report_ratio(
      state, "naive",
      bench::take_turns(
          state, [&] { optimizer.step(); }, [&] { bench::naive_step(others, buffers, 1e-4); }));
}

void adamw_step(benchmark::State& state, const Shapes& shapes, int threads) {
  torch::set_num_threads(threads);
  torch::optim::OptimizerParamGroup group(parameters_of(shapes),
                                          std::make_unique<torch::optim::AdamWOptions>(1e-4));
  muon::MuonWithAuxAdam ours({group});
  torch::optim::AdamW stock(parameters_of(shapes), torch::optim::AdamWOptions(1e-4));
  report_ratio(state, "torch",
               bench::take_turns(
                   state, [&] { ours.step(); }, [&] { stock.step(); }));
}

/// The passes of a step besides its products: is every gradient finite, and momentum with its look
/// ahead. Decay and update have none: they are the beta and alpha of the last product (see
/// `update`).
void passes(benchmark::State& state, int threads) {
  torch::set_num_threads(threads);
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> gradients, buffers, updates;
  for (const auto& shape : gpt2()) {
    gradients.push_back(torch::randn(shape));
    buffers.push_back(torch::randn(shape));
  }
  updates.assign(static_cast<std::size_t>(threads), torch::empty({3072, 768}));
  for (torch::Tensor& update : updates) update = torch::empty({3072, 768});
  const auto ours = [&] {
    benchmark::DoNotOptimize(muon::nonfinite(gradients));
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      float* const update =
          updates[static_cast<std::size_t>(omp_get_thread_num())].data_ptr<float>();
      for (std::int64_t row = 0; row < gradients[i].size(0); ++row) {
        const std::int64_t cols = gradients[i].size(1);
        muon::kernels::momentum(buffers[i].data_ptr<float>() + row * cols, update + row * cols,
                                gradients[i].data_ptr<float>() + row * cols, 0.95, true, cols);
      }
    }
  };
  // two tensors read, one written: a copy and a half
  auto to = buffers;
  for (torch::Tensor& tensor : to) tensor = torch::empty_like(tensor);
  const auto copy = [&] {
    for (std::size_t i = 0; i < to.size(); ++i) to[i].copy_(gradients[i]);
    for (std::size_t i = 0; i < to.size() / 2; ++i) to[i].copy_(gradients[i]);
  };
  const bench::Pairs pairs = bench::take_turns(state, ours, copy);
  bench::report_ratio(state, "copy", pairs);
  state.counters["over_copy"] = 1 / pairs.ratio();
}

/// The last product of one matrix, added to the parameter, in turn with the same product written to
/// a place of its own.
void update(benchmark::State& state) {
  torch::set_num_threads(1);
  const torch::Tensor q = torch::randn({768, 768}), x = torch::randn({768, 3072});
  torch::Tensor y = torch::randn({768, 3072});
  const auto product = [&](float alpha, float beta) {
    muon::kernels::apply_(
        muon::kernels::Team(), {y.data_ptr<float>(), 768, 3072, 3072},
        {q.data_ptr<float>(), 768, 768},
        muon::kernels::MatrixRef<const float>{x.data_ptr<float>(), 768, 3072, 3072}, alpha, beta);
  };
  const bench::Pairs pairs = bench::take_turns(
      state, [&] { product(-1e-4F, 0.999F); }, [&] { product(1, 0); });
  bench::report_ratio(state, "product", pairs);
  state.counters["extra_ms"] = 1e3 * (bench::median(pairs.subject) - bench::median(pairs.other));
}

void memory(benchmark::State& state, muon::Method method) {
  torch::set_num_threads(2);
  muon::Muon optimizer(parameters_of(gpt2()), options_of(method));
  for (auto _ : state) {
    double values = 0;
    for (const torch::Tensor& parameter : optimizer.param_groups()[0].params())
      values += static_cast<double>(parameter.numel());
    bench::reset_peak();
    const double before = bench::memory_mib("VmRSS");
    state.SetIterationTime(bench::seconds([&] { optimizer.step(); }));
    state.counters["extra_mib"] = bench::memory_mib("VmHWM") - before - values * 4 / 1024 / 1024;
  }
}

using Body = std::function<void(benchmark::State&)>;

benchmark::internal::Benchmark* add(const std::string& name, const Body& body) {
  return benchmark::RegisterBenchmark(name.c_str(), body)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

const int registered = [] {
  const std::vector<std::pair<std::string, Shapes>> models{{"small_net", small_net()},
                                                           {"resnet18", resnet18()},
                                                           {"gpt2", gpt2()},
                                                           {"1000x32x32", thousand()}};
  for (const int threads : {1, 2}) {
    const std::string suffix = "/threads:" + std::to_string(threads);
    for (const auto& [model, shapes] : models) {
      for (const auto method :
           {muon::Method::newton_schulz, muon::Method::dwh2, muon::Method::zolotarev2}) {
        const Shapes copy = shapes;
        add("muon/" + model + "/" + std::string(to_string(method)) + suffix,
            [=](benchmark::State& state) { muon_step(state, copy, method, threads); });
      }
    }
    add("adamw/145_tensors_29M" + suffix,
        [=](benchmark::State& state) { adamw_step(state, auxiliary(), threads); });
    add("adamw/1000x32x32" + suffix,
        [=](benchmark::State& state) { adamw_step(state, thousand(), threads); });
    add("passes/gpt2" + suffix, [=](benchmark::State& state) { passes(state, threads); });
  }
  add("update/768x3072", update);
  for (const auto method : {muon::Method::newton_schulz, muon::Method::dwh2}) {
    add("memory/gpt2/" + std::string(to_string(method)), [=](benchmark::State& state) {
      memory(state, method);
    })->Iterations(1);
  }
  return 0;
}();

}  // namespace

BENCHMARK_MAIN();
