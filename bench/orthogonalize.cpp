// bench_orthogonalize: one matrix, by method, shape and number of threads.
//
//   method/ROWSxCOLS/threads:N   time of muon::orthogonalize; in turn with it in the same run,
//                                naive Newton-Schulz and one product
//   gflops                       the method's own floating-point operations a second
//   ratio_to_naive               how many times faster than naive, median of the pairs; q1 and q3
//                                are its quartiles
//   ratio_to_floor               its time over what its own operations would take at the rate of
//                                the product
#include "measure.hpp"
#include "naive.hpp"

#include <muon/matrix/orthogonalize.hpp>

#include <string>
#include <vector>

namespace {

struct Way {
  const char* name;
  muon::OrthogonalizeOptions options;
};

/// Floating-point operations, from the counts of products and inverses: a symmetric m x m result by
/// half.
double operations(const muon::OrthogonalizeOptions& how, double m, double n) {
  const double gram = m * m * n;
  const double apply = 2 * m * m * n;
  const double square = m * m * m;  // a symmetric product, and a Cholesky inverse
  const auto steps = static_cast<double>(how.steps.size());
  switch (how.method) {
    case muon::Method::automatic:
    case muon::Method::dwh2: return gram + 4 * square + apply;
    case muon::Method::zolotarev2: return gram + 2 * square + apply;
    case muon::Method::zolotarev3: return gram + 3 * square + apply;
    case muon::Method::newton_schulz: break;
  }
  if (n >= 1.5 * m) return gram + (4 * steps - 3) * square + apply;
  return steps * (gram + square + apply);
}

void orthogonalize(benchmark::State& state, const muon::OrthogonalizeOptions& how,
                   std::int64_t rows, std::int64_t cols, int threads) {
  torch::set_num_threads(threads);
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  const torch::Tensor matrix = torch::randn({rows, cols});
  const torch::Tensor square = torch::randn({1024, 1024});
  torch::Tensor product = at::empty_like(square);
  std::vector<double> products;
  const bench::Pairs pairs = bench::take_turns(
      state, [&] { benchmark::DoNotOptimize(muon::orthogonalize(matrix, how)); },
      [&] { benchmark::DoNotOptimize(bench::naive_newton_schulz(matrix)); });
  for (int i = 0; i < 5; ++i)
    products.push_back(bench::seconds([&] { at::mm_out(product, square, square); }));
  const double rate = 2.0 * 1024 * 1024 * 1024 / bench::median(products);
  const double flops = operations(how, static_cast<double>(std::min(rows, cols)),
                                  static_cast<double>(std::max(rows, cols)));
  const double time = bench::median(pairs.subject);
  bench::report_ratio(state, "naive", pairs);
  state.counters["gflops"] = flops / time / 1e9;
  state.counters["ratio_to_floor"] = time / (flops / rate);
  state.counters["product_gflops"] = rate / 1e9;
}

const int registered = [] {
  const std::vector<Way> ways{{"jordan", {}},
                              {"polar_express", {.steps = muon::polar_express_steps()}},
                              {"dwh2", {.method = muon::Method::dwh2}},
                              {"zolotarev2", {.method = muon::Method::zolotarev2}},
                              {"zolotarev3", {.method = muon::Method::zolotarev3}}};
  const std::vector<std::pair<int, int>> shapes{{32, 32},    {64, 64},    {128, 128}, {256, 256},
                                                {784, 256},  {256, 784},  {512, 512}, {768, 768},
                                                {768, 3072}, {1024, 4096}};
  for (const auto& [rows, cols] : shapes) {
    for (const Way& way : ways) {
      for (const int threads : {1, 2}) {
        const std::string name = std::string(way.name) + "/" + std::to_string(rows) + "x" +
                                 std::to_string(cols) + "/threads:" + std::to_string(threads);
        const auto options = way.options;
        const int r = rows;
        const int c = cols;
        benchmark::RegisterBenchmark(
            name.c_str(),
            [=](benchmark::State& state) { orthogonalize(state, options, r, c, threads); })
            ->UseManualTime()
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
  return 0;
}();

}  // namespace

BENCHMARK_MAIN();
