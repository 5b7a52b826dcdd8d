// muon/plan/recipe.hpp: options for the built-in rules (rule.hpp) by the role of a parameter.
//
// It needs the definition of torch::optim::AdamWOptions, which brings in LibTorch's modules; other
// headers only declare a Recipe.
#pragma once

#include <muon/export.hpp>
#include <muon/plan/options.hpp>

#include <torch/optim/adamw.h>

#include <optional>

namespace muon {

/// Options that are given as such: a bare number would bring PyTorch's decay and method with it. A
/// learning rate alone is what `lr`, `adamw_lr` and the others of a Recipe are for.
template <class Options>
struct WholeOptions : Options {
  WholeOptions(const Options& options) : Options(options) {}
  WholeOptions(double lr) = delete;
};

/// The options that the built-in rules give to each part of a model. Defaults are those of the one
/// line `MuonWithAuxAdam(*model)`.
///
/// Example  muon::MuonWithAuxAdam optimizer(*model, {.lr = 0.04, .adamw_lr = 3e-3});
///          muon::MuonWithAuxAdam optimizer(
///              *model, {.muon = muon::default_muon(0.025).weight_decay(0.05), .embedding_lr = 0.7,
///                       .head_lr = 4e-3, .vector_lr = 0.015});
struct MUON_API Recipe {
  using MuonHalf = WholeOptions<MuonOptions>;
  using AdamWHalf = WholeOptions<torch::optim::AdamWOptions>;

  MuonHalf muon = default_muon();           ///< the hidden matrices
  AdamWHalf adamw = default_adamw();        ///< all else
  std::optional<AdamWHalf> embedding = {};  ///< embeddings, instead of `adamw`
  std::optional<AdamWHalf> head = {};       ///< the output head
  std::optional<AdamWHalf> vectors = {};    ///< gains, biases and all else below two dimensions

  // Learning rates, which override those in the options above.
  std::optional<double> lr = {};        ///< of `muon`
  std::optional<double> adamw_lr = {};  ///< of `adamw`
  std::optional<double> embedding_lr = {};
  std::optional<double> head_lr = {};
  std::optional<double> vector_lr = {};

  /// The first convolution, in the model's order, goes to AdamW, as in Keller Jordan's code: its
  /// input is an image and not another layer's output.
  bool first_convolution_to_adamw = false;
};

/// For a program that trains with AdamW: the rate and the decay that it has tuned are kept, in both
/// halves. Muon's updates are scaled to the size of AdamW's, `match_rms_scale` sqrt(max(rows,
/// cols)); at 0.2 that is torch.optim.Muon's `match_rms_adamw`, and with
/// `recipe.muon.method(Method::newton_schulz)` so are all its numbers.
/// Errors   a scale that is not a finite number above 0, or options out of range: where the recipe
///          is used, as in any other options.
/// Source   Liu et al., "Muon is Scalable for LLM Training", https://arxiv.org/abs/2502.16982
///
/// Example  muon::MuonWithAuxAdam optimizer(
///              *model, muon::drop_in(torch::optim::AdamWOptions(3e-4).weight_decay(0.1)));
[[nodiscard]] MUON_API Recipe drop_in(const torch::optim::AdamWOptions& adamw,
                                      double match_rms_scale = default_match_rms_scale);

}  // namespace muon
