// muon/plan/parameter.hpp: what a model's parameters are.
//
// `describe` reads a model and finds the role of each trainable parameter. Rules (rule.hpp) then
// choose an optimizer from these descriptions.
#pragma once

#include <muon/export.hpp>
#include <muon/matrix/matrix_view.hpp>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace torch::nn {
class Module;
}
namespace torch::jit {
struct Module;
}

namespace muon {

/// What a parameter is for.
enum class Role {
  /// a table looked up by index, tied to the head or not; also learned positions and tokens
  embedding,
  output_head,    ///< the last projection, to logits or values
  hidden_matrix,  ///< a matrix inside the network: what Muon is for
  convolution,    ///< a convolution's kernel
  bias,
  gain,  ///< the scale of a normalization
  other,
};

/// What decided the role, the strongest first. The type Linear says only that a parameter is a
/// matrix; whether that matrix is hidden or a head is decided by its name, and without a telling
/// name by its position.
enum class Evidence {
  /// the same tensor is registered under several names, and one of them is an embedding
  tie,
  module_type,  ///< the type of the module that owns the parameter
  name,         ///< the parameter's name
  position,     ///< only its place: the last layer of the model
  shape,        ///< nothing but its sizes, and those of the layers around
};

/// One trainable parameter: one tensor, however many names it has.
struct Parameter {
  std::string name;                  ///< as LibTorch names it: "layers.2.attn.in_proj_weight"
  std::vector<std::string> aliases;  ///< further names of the same tensor, in order of registration
  at::Tensor tensor;                 ///< undefined when described from a file's names and shapes
  std::vector<std::int64_t> shape;
  /// type of the module that owns it: "Linear", "Conv2d", or a class of the user's; empty if
  /// unknown
  std::string module_type;
  std::int64_t groups = 1;  ///< groups of a convolution; 1 elsewhere
  Role role = Role::other;
  Evidence evidence = Evidence::shape;
  /// the evidence in words: "module type: weight of Linear", "position only: the last Linear"
  std::string reason;
  /// please review: only position or shape decided a matrix's role, or its name is ambiguous
  bool low_confidence = false;
  MatrixView view;  ///< which matrices it holds; meaningful from two dimensions on
  /// An output head was found in the model: this parameter, another, or a frozen one, which is not
  /// described.
  bool model_has_head = false;
};

/// Describes every trainable parameter (requires_grad) of a model, in order of registration. Frozen
/// layers count where a parameter is judged by its place among the others.
///
/// Views    Linear: one matrix. A weight that is called like a fused one (qkv, Wqkv, c_attn,
///          query_key_value, in_proj, ...) and has three times as many rows as columns: three row
///          blocks; kv_proj, gate_up_proj, ...: two. Where heads are grouped, the cut is a guess
///          with low confidence. Convolution: flattened, one matrix for each group.
///          MultiheadAttention's in_proj_weight: three row blocks. LSTM and GRU: four and three,
///          one for each gate. Any other three-dimensional parameter: a stack.
/// Empty    A parameter without values (a size of 0) is described like any other; there is nothing
///          to optimize in it.
/// Cost     Reads names and types only; no tensor's values.
/// Errors   std::invalid_argument naming every parameter whose module (Linear, Embedding, Bilinear,
///          convolution, LayerNorm, GroupNorm, BatchNorm, in_proj of MultiheadAttention) holds
///          another tensor than the one registered: LibTorch's `head->weight = embed->weight`
///          changes the member alone, and an optimizer would keep training the old tensor.
///          docs/concepts.md, "Tied weights", says how to tie.
/// Safety   Does not change the model. The descriptions share the parameters' tensors.
///
/// Example  for (const muon::Parameter& p : muon::describe(*model))
///            std::cout << p.name << ": " << p.reason << "\n";
[[nodiscard]] MUON_API std::vector<Parameter> describe(const torch::nn::Module& model);
[[nodiscard]] MUON_API std::vector<Parameter> describe(const torch::jit::Module& model);

/// "hidden matrix", "output head", ... and "module type", "position", ...
[[nodiscard]] MUON_API std::string_view to_string(Role role);
[[nodiscard]] MUON_API std::string_view to_string(Evidence evidence);

}  // namespace muon
