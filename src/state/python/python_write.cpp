// Files for Python's torch.load, through LibTorch's own pickler and zip writer.
#include <muon/state/python_state.hpp>

#include <muon/plan/options.hpp>

#include "files/atomic_file.hpp"
#include "files/safetensors_tensors.hpp"
#include "optim/optimizer_groups.hpp"
#include "optim/optimizer_state.hpp"

#include <ATen/ATen.h>
#include <ATen/core/Dict.h>
#include <ATen/core/ivalue.h>
#include <caffe2/serialize/inline_container.h>
#include <fmt/format.h>
#include <torch/csrc/jit/serialization/pickler.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <exception>
#include <stdexcept>

namespace muon {
namespace {

using c10::IValue;

/// A Python dict, without LibTorch's type tags.
class Dict {
 public:
  Dict& set(const IValue& key, const IValue& value) {
    dict_.insert(key, value);
    return *this;
  }
  operator IValue() const { return dict_; }

 private:
  c10::impl::GenericDict dict_{c10::AnyType::get(), c10::AnyType::get()};
};

IValue list_of(const std::vector<IValue>& values) {
  c10::impl::GenericList list(c10::AnyType::get());
  for (const IValue& value : values) list.push_back(value);
  return list;
}

IValue tuple_of(std::vector<IValue> values) {
  return c10::ivalue::Tuple::create(std::move(values));
}

/// tag_aggregates = false: the tags would be globals that torch.load refuses.
void write(const std::filesystem::path& file, const IValue& value) {
  try {
    std::vector<char> pickle;
    const auto append = [&](const char* bytes, std::size_t count) {
      pickle.insert(pickle.end(), bytes, bytes + count);
    };
    torch::jit::Pickler pickler(append, nullptr, nullptr, nullptr, nullptr,
                                /*tag_aggregates=*/false);
    pickler.protocol();
    pickler.pushIValue(value);
    pickler.stop();
    AtomicFile out(file);
    // the writer's destructor writes again, and must not throw
    std::exception_ptr failure;
    caffe2::serialize::PyTorchStreamWriter zip([&](const void* bytes, std::size_t count) {
      try {
        if (!failure) out.write(bytes, count);
      } catch (const std::runtime_error&) {
        failure = std::current_exception();
      }
      return count;
    });
    zip.writeRecord("data.pkl", pickle.data(), pickle.size());
    zip.writeRecord("byteorder", "little", 6);
    std::size_t number = 0;
    for (const at::Tensor& tensor : pickler.tensorData()) {
      const auto data = torch::jit::getWriteableTensorData(tensor);
      zip.writeRecord(fmt::format("data/{}", number++), data.data(), data.sizeInBytes());
    }
    zip.writeEndOfFile();
    if (failure) std::rethrow_exception(failure);
    out.commit();
  } catch (const c10::Error& error) {
    throw std::runtime_error(fmt::format("[python_state] {} cannot be written: {}", file.string(),
                                         error.what_without_backtrace()));
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(fmt::format("[python_state] {}", error.what()));
  }
}

/// A copy if the storage is larger than the tensor, since the pickler stores the whole storage of a
/// view.
at::Tensor stored(const at::Tensor& tensor) {
  const at::Tensor packed = safetensors::packed(tensor);
  const bool whole =
      packed.storage().nbytes() == static_cast<std::size_t>(packed.numel()) * packed.element_size();
  return whole ? packed : packed.clone();
}

enum class Style { torch_muon, torch_adamw, muon_with_aux_adam };

Dict muon_group(const MuonOptions& o, Style style) {
  Dict group;
  group.set("lr", o.lr()).set("momentum", o.momentum()).set("weight_decay", o.weight_decay());
  if (style == Style::muon_with_aux_adam) {
    const bool five_steps =
        o.method() != Method::newton_schulz || o.ns_coefficients() == jordan_steps(1);
    if (!o.nesterov() || o.adjust_lr_fn() != AdjustLr::original || !five_steps) {
      throw std::invalid_argument(
          "[python_state] MuonWithAuxAdam has Nesterov momentum, the original scale and its own "
          "coefficients alone; a group here "
          "has "
          "others");
    }
    return group.set("use_muon", true);
  }
  if (o.ns_coefficients().size() != 1) {
    throw std::invalid_argument(
        "[python_state] the group has coefficients for each step; torch.optim.Muon has one triple "
        "for all");
  }
  if (o.match_rms_scale() != default_match_rms_scale) {
    throw std::invalid_argument(
        fmt::format("[python_state] the group has a match_rms_scale of {}; torch.optim.Muon has {} "
                    "alone, with which lr {:.6g} and weight_decay {:.6g} make the same steps",
                    o.match_rms_scale(), default_match_rms_scale,
                    o.lr() * o.match_rms_scale() / default_match_rms_scale,
                    o.weight_decay() * default_match_rms_scale / o.match_rms_scale()));
  }
  const NewtonSchulzStep& step = o.ns_coefficients().front();
  return group.set("nesterov", o.nesterov())
      .set("ns_coefficients", tuple_of({step.a, step.b, step.c}))
      .set("eps", o.eps())
      .set("ns_steps", static_cast<std::int64_t>(o.ns_steps()))
      .set("adjust_lr_fn", std::string(to_string(o.adjust_lr_fn())));
}

Dict adamw_group(const torch::optim::AdamWOptions& o, Style style) {
  Dict group;
  const auto [beta1, beta2] = o.betas();
  group.set("lr", o.lr())
      .set("betas", tuple_of({beta1, beta2}))
      .set("eps", o.eps())
      .set("weight_decay", o.weight_decay());
  if (style == Style::muon_with_aux_adam) {
    if (o.amsgrad())
      throw std::invalid_argument(
          "[python_state] MuonWithAuxAdam has no amsgrad; a group here has");
    return group.set("use_muon", false);
  }
  return group.set("amsgrad", o.amsgrad())
      .set("maximize", false)
      .set("foreach", IValue())
      .set("capturable", false)
      .set("differentiable", false)
      .set("fused", IValue())
      .set("decoupled_weight_decay", true);
}

Dict parameter_state(const ParameterState& parameter, Style style) {
  Dict state;
  for (const auto& [key, tensor] : parameter.tensors) {
    if (key != "step") {
      state.set(key, stored(tensor));
    } else if (style == Style::muon_with_aux_adam) {
      state.set(key, tensor.item<std::int64_t>());
    } else {
      state.set(key, tensor.to(at::kFloat));  // as in torch.optim.AdamW
    }
  }
  return state;
}

std::vector<ParameterState> ordered(std::vector<ParameterState> parameters,
                                    const std::vector<std::string>& order) {
  if (order.empty()) return parameters;
  const auto place = [&](const ParameterState& parameter) {
    const auto found = std::find(order.begin(), order.end(), parameter.name);
    if (found == order.end())
      throw std::invalid_argument(
          fmt::format("[python_state] the order has no '{}'", parameter.name));
    return found - order.begin();
  };
  std::stable_sort(
      parameters.begin(), parameters.end(),
      [&](const ParameterState& a, const ParameterState& b) { return place(a) < place(b); });
  if (parameters.size() == 1) (void)place(parameters.front());
  return parameters;
}

}  // namespace

void save_python_optimizer(const std::filesystem::path& file, const GroupedOptimizer& optimizer,
                           std::optional<Algorithm> only, const std::vector<std::string>& order) {
  std::vector<std::size_t> chosen;
  bool any_muon = false, any_adamw = false;
  const std::vector<OptimizerGroup> all = GroupAccess::groups(optimizer);
  for (std::size_t g = 0; g < all.size(); ++g) {
    const bool is_muon = algorithm_of(*all[g].options) == Algorithm::muon;
    if (only && *only != (is_muon ? Algorithm::muon : Algorithm::adamw)) continue;
    chosen.push_back(g);
    (is_muon ? any_muon : any_adamw) = true;
  }
  if (chosen.empty())
    throw std::invalid_argument("[python_state] the optimizer has no such groups");
  const Style style = !any_adamw  ? Style::torch_muon
                      : !any_muon ? Style::torch_adamw
                                  : Style::muon_with_aux_adam;

  bool named = true;
  const OptimizerState state = state_of_optimizer(optimizer, [&](const at::Tensor& parameter) {
    const auto name = optimizer.name(parameter);
    return name ? std::vector<std::string>{*name} : std::vector<std::string>();
  });
  for (const GroupState& group : state) {
    for (const ParameterState& p : group.parameters) named = named && p.is_named;
  }
  Dict states;
  std::vector<IValue> groups;
  std::int64_t number = 0;
  for (const std::size_t g : chosen) {
    const auto& options = *all[g].options;
    Dict group = state[g].algorithm == Algorithm::muon
                     ? muon_group(static_cast<const MuonOptions&>(options), style)
                     : adamw_group(static_cast<const torch::optim::AdamWOptions&>(options), style);
    std::vector<IValue> numbers, names;
    for (const ParameterState& parameter : ordered(state[g].parameters, order)) {
      if (!parameter.tensors.empty()) states.set(number, parameter_state(parameter, style));
      names.emplace_back(parameter.name);
      numbers.emplace_back(number++);
    }
    group.set("params", list_of(numbers));
    if (named) group.set("param_names", list_of(names));
    groups.push_back(group);
  }
  write(file, Dict().set("state", states).set("param_groups", list_of(groups)));
}

void save_python_model(const std::filesystem::path& file, const NamedTensors& model) {
  Dict dict;
  for (const NamedTensors::Entry& entry : model.entries()) {
    const at::Tensor tensor = stored(entry.tensor);
    for (const std::string& name : entry.names) dict.set(name, tensor);
  }
  write(file, dict);
}

}  // namespace muon
