// describe() for torch::nn::Module: LibTorch's module tree -> registrations.
#include "files/printable.hpp"
#include "plan/role.hpp"

#include <fmt/format.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/modules/rnn.h>

#include <stdexcept>
#include <unordered_set>

namespace muon {
namespace {

namespace nn = torch::nn;

struct Owner {
  std::string type;
  std::int64_t groups = 1;
};

/// "torch::nn::LinearImpl" -> "Linear", "game::(anonymous namespace)::PolicyNetImpl" ->
/// "PolicyNet".
std::string plain_type(const std::string& demangled) {
  std::string type = demangled.substr(0, demangled.find('<'));
  type = type.substr(type.rfind(':') == std::string::npos ? 0 : type.rfind(':') + 1);
  if (type.size() > 4 && type.ends_with("Impl")) type.resize(type.size() - 4);
  return type;
}

template <typename Impl>
bool is(const nn::Module& module, const char* type, Owner& owner) {
  if (dynamic_cast<const Impl*>(&module) == nullptr) return false;
  owner.type = type;
  return true;
}

template <typename Impl>
bool is_convolution(const nn::Module& module, const char* type, Owner& owner) {
  const auto* convolution = dynamic_cast<const Impl*>(&module);
  if (convolution == nullptr) return false;
  owner = {type, convolution->options.groups()};
  return true;
}

/// A class derived from one of LibTorch's counts as that one. Types that need no such care are
/// known by their own name.
Owner owner_of(const nn::Module& module) {
  Owner owner;
  if (is<nn::LinearImpl>(module, "Linear", owner) ||
      is<nn::EmbeddingImpl>(module, "Embedding", owner) ||
      is<nn::EmbeddingBagImpl>(module, "EmbeddingBag", owner) ||
      is<nn::BilinearImpl>(module, "Bilinear", owner) ||
      is_convolution<nn::Conv1dImpl>(module, "Conv1d", owner) ||
      is_convolution<nn::Conv2dImpl>(module, "Conv2d", owner) ||
      is_convolution<nn::Conv3dImpl>(module, "Conv3d", owner) ||
      is_convolution<nn::ConvTranspose1dImpl>(module, "ConvTranspose1d", owner) ||
      is_convolution<nn::ConvTranspose2dImpl>(module, "ConvTranspose2d", owner) ||
      is_convolution<nn::ConvTranspose3dImpl>(module, "ConvTranspose3d", owner) ||
      is<nn::LayerNormImpl>(module, "LayerNorm", owner) ||
      is<nn::GroupNormImpl>(module, "GroupNorm", owner) ||
      is<nn::BatchNorm1dImpl>(module, "BatchNorm1d", owner) ||
      is<nn::BatchNorm2dImpl>(module, "BatchNorm2d", owner) ||
      is<nn::BatchNorm3dImpl>(module, "BatchNorm3d", owner) ||
      is<nn::LSTMImpl>(module, "LSTM", owner) || is<nn::GRUImpl>(module, "GRU", owner) ||
      is<nn::RNNImpl>(module, "RNN", owner) ||
      is<nn::MultiheadAttentionImpl>(module, "MultiheadAttention", owner)) {
    return owner;
  }
  owner.type = plain_type(module.name());
  return owner;
}

/// The tensor a module computes with, where LibTorch keeps it in a public member of this name;
/// undefined elsewhere.
template <typename... Impls>
at::Tensor weight_member(const nn::Module& module) {
  at::Tensor member;
  (void)((dynamic_cast<const Impls*>(&module) != nullptr &&
          (member = dynamic_cast<const Impls*>(&module)->weight, true)) ||
         ...);
  return member;
}

template <typename... Impls>
at::Tensor bias_member(const nn::Module& module) {
  at::Tensor member;
  (void)((dynamic_cast<const Impls*>(&module) != nullptr &&
          (member = dynamic_cast<const Impls*>(&module)->bias, true)) ||
         ...);
  return member;
}

at::Tensor member_of(const nn::Module& module, const std::string& local) {
  if (local == "weight") {
    return weight_member<nn::LinearImpl, nn::EmbeddingImpl, nn::EmbeddingBagImpl, nn::BilinearImpl,
                         nn::Conv1dImpl, nn::Conv2dImpl, nn::Conv3dImpl, nn::ConvTranspose1dImpl,
                         nn::ConvTranspose2dImpl, nn::ConvTranspose3dImpl, nn::LayerNormImpl,
                         nn::GroupNormImpl, nn::BatchNorm1dImpl, nn::BatchNorm2dImpl,
                         nn::BatchNorm3dImpl>(module);
  }
  if (local == "bias") {
    return bias_member<nn::LinearImpl, nn::BilinearImpl, nn::Conv1dImpl, nn::Conv2dImpl,
                       nn::Conv3dImpl, nn::ConvTranspose1dImpl, nn::ConvTranspose2dImpl,
                       nn::ConvTranspose3dImpl, nn::LayerNormImpl, nn::GroupNormImpl,
                       nn::BatchNorm1dImpl, nn::BatchNorm2dImpl, nn::BatchNorm3dImpl>(module);
  }
  if (const auto* attention = dynamic_cast<const nn::MultiheadAttentionImpl*>(&module)) {
    if (local == "in_proj_weight") return attention->in_proj_weight;
    if (local == "in_proj_bias") return attention->in_proj_bias;
  }
  return {};
}

struct Walk {
  std::vector<Registration> registrations;
  std::vector<std::string> replaced;  // parameters whose module computes with another tensor
  // paths of the last children of Sequentials; parents are visited first
  std::unordered_set<std::string> ends;

  void visit(const std::string& path, const nn::Module& module) {
    const Owner owner = owner_of(module);
    if (dynamic_cast<const nn::SequentialImpl*>(&module) != nullptr &&
        !module.named_children().is_empty()) {
      ends.insert(path.empty() ? module.named_children().back().key()
                               : path + "." + module.named_children().back().key());
    }
    for (const auto& entry : module.named_parameters(/*recurse=*/false)) {
      const std::string name = path.empty() ? entry.key() : path + "." + entry.key();
      const at::Tensor member = member_of(module, entry.key());
      if (member.defined() && !member.is_same(entry.value())) {
        replaced.push_back(name);
        continue;
      }
      registrations.push_back({name, owner.type, owner.groups, entry.value(),
                               entry.value().sizes().vec(), ends.count(path) > 0,
                               entry.value().unsafeGetTensorImpl(), entry.value().requires_grad()});
    }
  }
};

}  // namespace

std::vector<Parameter> describe(const nn::Module& model) {
  Walk walk;
  walk.visit("", model);
  // without the root: it need not be held by a shared_ptr
  for (const auto& entry : model.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    walk.visit(entry.key(), *entry.value());
  }
  if (!walk.replaced.empty()) {
    throw std::invalid_argument(
        fmt::format("[parameter] the module's member is not the registered parameter: '{}'. The "
                    "member was assigned after "
                    "construction, so an optimizer would train a tensor the network no longer "
                    "uses. To tie a head to an embedding, "
                    "compute it as torch::nn::functional::linear(x, embed->weight), or in a module "
                    "of your own that registers that "
                    "tensor (docs/concepts.md, Tied weights).",
                    printable(fmt::format("{}", fmt::join(walk.replaced, "', '")))));
  }
  return assign_roles(walk.registrations);
}

}  // namespace muon
