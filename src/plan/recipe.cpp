#include <muon/plan/recipe.hpp>

namespace muon {

Recipe drop_in(const torch::optim::AdamWOptions& adamw, double match_rms_scale) {
  Recipe recipe;
  recipe.muon = MuonOptions(adamw.lr())
                    .weight_decay(adamw.weight_decay())
                    .adjust_lr_fn(AdjustLr::match_rms_adamw)
                    .match_rms_scale(match_rms_scale)
                    .method(Method::automatic);
  recipe.adamw = adamw;
  return recipe;
}

}  // namespace muon
