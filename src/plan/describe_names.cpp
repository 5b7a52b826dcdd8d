#include "plan/describe_names.hpp"

#include "plan/name_parts.hpp"
#include "plan/role.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace muon {
namespace {

bool is_floating(const NamedTensor& tensor) {
  return tensor.dtype.starts_with("F") || tensor.dtype == "BF16";
}

/// Scales of quantized weights.
bool is_scale(std::string_view local) {
  constexpr std::array<std::string_view, 4> words{"scales", "scale_weight", "input_scale",
                                                  "output_scale"};
  return contains(words, local) || local.starts_with("weight_scale") ||
         local.ends_with("_scale_inv") || local.starts_with("scaled_fp");
}

/// Running averages, masks, tables of sines, and queues of past values: buffers, which no optimizer
/// trains.
bool is_buffer(const NamedTensor& tensor) {
  constexpr auto names = std::to_array<std::string_view>({"running_mean",
                                                          "running_var",
                                                          "num_batches_tracked",
                                                          "masked_bias",
                                                          "inv_freq",
                                                          "position_ids",
                                                          "e_score_correction_bias",
                                                          "tril",
                                                          "triu",
                                                          "pe",
                                                          "embed_avg",
                                                          "cluster_size",
                                                          "w_avg",
                                                          "final_logits_bias",
                                                          "_float_tensor",
                                                          "version",
                                                          "periods",
                                                          "freqs",
                                                          "freqs_cis",
                                                          "cos",
                                                          "sin",
                                                          "anchor_grid"});
  constexpr auto last_words = std::to_array<std::string_view>(
      {"mask", "idx", "idxs", "index", "indices", "ids", "epsilon", "queue", "cached"});
  constexpr std::array<std::string_view, 3> words{"coords", "buffer", "ema"};
  const std::string_view local = local_name(tensor.name);
  const Words parts = words_of(local);
  if (contains(names, local) || is_scale(local) || has_any(parts, words)) return true;
  if (!parts.empty() && contains(last_words, parts.back())) return true;
  const std::vector<std::string_view> path = components(tensor.name);
  if (std::find(path.begin(), path.end(), "rotary_emb") != path.end()) return true;
  if (local.ends_with("gaussian_matrix")) return true;  // random Fourier features
  return local == "bias" && tensor.shape.size() > 2;    // GPT-2's causal mask, attn.bias
}

}  // namespace

NamedModel describe_names(const std::vector<NamedTensor>& tensors) {
  NamedModel model;
  std::vector<Registration> registrations;
  for (const NamedTensor& tensor : tensors) {
    if (!is_floating(tensor) || is_buffer(tensor)) {
      model.skipped.push_back(tensor);
      continue;
    }
    Registration entry;
    entry.name = tensor.name;
    entry.shape = tensor.shape;
    entry.identity = &tensor;
    registrations.push_back(entry);
    for (const std::string& alias : tensor.aliases) {
      entry.name = alias;
      registrations.push_back(entry);
    }
  }
  model.parameters = assign_roles(registrations);
  return model;
}

}  // namespace muon
