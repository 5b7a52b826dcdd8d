// describe() for torch::jit::Module: a TorchScript module's tree -> registrations.
#include "plan/role.hpp"

#include <torch/csrc/jit/api/module.h>

#include <unordered_set>

namespace muon {
namespace {

/// The class's own name: "Linear" for "__torch__.torch.nn.modules.linear.___torch_mangle_3.Linear".
std::string type_of(const torch::jit::Module& module) {
  const auto name = module.type()->name();
  if (!name) return "";
  const std::string type = name->name();
  // torch.nn.MultiheadAttention gives its output projection this type
  return type == "NonDynamicallyQuantizableLinear" ? "Linear" : type;
}

std::int64_t groups_of(const torch::jit::Module& module) {
  if (!module.hasattr("groups")) return 1;
  const auto groups = module.attr("groups");
  return groups.isInt() ? groups.toInt() : 1;
}

}  // namespace

std::vector<Parameter> describe(const torch::jit::Module& model) {
  std::vector<Registration> registrations;
  // paths of the last children of Sequentials; parents come first
  std::unordered_set<std::string> ends;
  for (const auto& entry : model.named_modules()) {  // the root's name is empty
    const torch::jit::Module& module = entry.value;
    if (type_of(module) == "Sequential") {
      std::string last;
      for (const auto& child : module.named_children()) last = child.name;
      if (!last.empty()) ends.insert(entry.name.empty() ? last : entry.name + "." + last);
    }
    for (const auto& parameter : module.named_parameters(/*recurse=*/false)) {
      const std::string name =
          entry.name.empty() ? parameter.name : entry.name + "." + parameter.name;
      registrations.push_back({name, type_of(module), groups_of(module), parameter.value,
                               parameter.value.sizes().vec(), ends.count(entry.name) > 0,
                               parameter.value.unsafeGetTensorImpl(),
                               parameter.value.requires_grad()});
    }
  }
  return assign_roles(registrations);
}

}  // namespace muon
