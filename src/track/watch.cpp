#include <muon/track/watch.hpp>

#include "track/run_state.hpp"
#include "track/tensor_stats.hpp"

#include <ATen/ATen.h>
#include <c10/core/UndefinedTensorImpl.h>
#include <fmt/format.h>
#include <torch/nn/module.h>

#include <cstddef>
#include <exception>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace muon::track {

struct Watch::State {
  /// A parameter that the watch does not keep alive.
  struct Watched {
    std::string name;
    c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl> tensor;
    std::optional<unsigned> hook;
    std::int64_t backwards = 0;  // so far

    at::Tensor get() const {
      auto strong = tensor.lock();
      return strong.defined() ? at::Tensor(std::move(strong)) : at::Tensor();
    }
  };

  std::weak_ptr<Run::State> run;
  WatchOptions options;
  std::string prefix;
  std::vector<Watched> parameters;
  std::int64_t steps = 0;

  /// Adds the histogram and the norm of `tensor` to the run's row, as "gradients/..." and so on.
  void measure(const char* what, const std::string& name, const at::Tensor& tensor) {
    const auto strong = run.lock();
    if (strong == nullptr || !tensor.defined() || !strong->is_running()) return;
    try {
      TensorStats stats = tensor_stats(tensor, options.bins);
      Object measured{{fmt::format("{}_norms/{}{}", what, prefix, name), stats.norm}};
      if (!stats.histogram.counts.empty())
        measured.emplace_back(fmt::format("{}s/{}{}", what, prefix, name),
                              std::move(stats.histogram));
      strong->add_to_next_row(measured);
    } catch (const std::exception& error) {
      // a layout or device without the operations must not abort a backward pass
      strong->add_problem("histograms of a watch not made",
                          fmt::format("{}: {}", name, error.what()));
    }
  }

  /// Called in the thread that computed the gradient.
  void see_gradient(std::size_t index, const at::Tensor& gradient) {
    Watched& parameter = parameters[index];
    if (++parameter.backwards % options.log_freq == 0)
      measure("gradient", parameter.name, gradient);
  }

  void unwatch() {
    for (Watched& parameter : parameters) {
      const at::Tensor tensor = parameter.hook ? parameter.get() : at::Tensor();
      if (tensor.defined()) tensor.remove_hook(*parameter.hook);
    }
    parameters.clear();
  }

  ~State() { unwatch(); }
};

Watch::Watch(std::shared_ptr<State> state) : state_(std::move(state)) {}
Watch::Watch(Watch&&) noexcept = default;
Watch& Watch::operator=(Watch&&) noexcept = default;
Watch::~Watch() = default;

void Watch::step() {
  if (state_ == nullptr || state_->options.log == Log::gradients) return;
  if (++state_->steps % state_->options.log_freq != 0) return;
  for (const State::Watched& parameter : state_->parameters)
    state_->measure("parameter", parameter.name, parameter.get());
}

void Watch::unwatch() {
  if (state_ != nullptr) state_->unwatch();
}

Watch Watch::begin(Run& run, const torch::nn::Module& model, const WatchOptions& options) {
  if (options.log_freq < 1)
    throw std::invalid_argument(
        fmt::format("[track] watch: log_freq must be at least 1; got {}", options.log_freq));
  if (options.start < 0)
    throw std::invalid_argument(
        fmt::format("[track] watch: start must be at least 0; got {}", options.start));
  if (options.bins < 1 || options.bins > 512)
    throw std::invalid_argument(
        fmt::format("[track] watch: bins must be in 1 to 512; got {}", options.bins));
  Run::State* const running = run.usable("watch");
  if (running == nullptr) return Watch(nullptr);
  auto state = std::make_shared<Watch::State>();
  state->run = run.state_;
  state->options = options;
  state->steps = options.start;
  if (const int number = running->count_watched_model(); number > 0)
    state->prefix = fmt::format("graph_{}", number);
  std::set<const c10::TensorImpl*> known;
  for (const auto& entry : model.named_parameters()) {
    if (!entry.value().defined() || entry.value().is_complex() ||
        !known.insert(entry.value().unsafeGetTensorImpl()).second)
      continue;
    state->parameters.push_back({entry.key(),
                                 decltype(State::Watched::tensor)(entry.value().getIntrusivePtr()),
                                 std::nullopt, options.start});
  }
  if (options.log == Log::parameters) return Watch(std::move(state));
  for (std::size_t i = 0; i < state->parameters.size(); ++i) {
    const at::Tensor parameter = state->parameters[i].get();
    if (!parameter.requires_grad()) continue;
    state->parameters[i].hook =
        parameter.register_hook([weak = std::weak_ptr(state), i](at::Tensor gradient) {
          if (const auto strong = weak.lock()) strong->see_gradient(i, gradient);
        });
  }
  return Watch(std::move(state));
}

Watch watch(Run& run, const torch::nn::Module& model, WatchOptions options) {
  return Watch::begin(run, model, options);
}

}  // namespace muon::track
