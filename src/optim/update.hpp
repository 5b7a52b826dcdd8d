// The arithmetic of one step, on tensors only: no groups, no names, no state maps. The caller has
// checked everything.
//
// A step has two halves. Its constructor allocates all that the step needs and may fail; `apply`
// changes momenta, moments and parameters, and allocates nothing of their size. So a step that runs
// out of memory changes nothing.
#pragma once

#include <muon/matrix/matrix_view.hpp>
#include <muon/plan/options.hpp>

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace torch::optim {
struct AdamWParamState;
}

namespace muon {

namespace kernels {
class Workspace;
}

/// Makes `state` zeros like `like` if it is undefined, and converts it to the dtype and device of
/// `like` if they differ: module->to() moves a parameter but keeps its identity, and so its state.
void match_dtype_and_device_(at::Tensor& state, const at::Tensor& like);

/// Returns the indices of the tensors that hold NaN or infinity. Reads each tensor once; on a
/// device, all of them are read before the only synchronization.
std::vector<std::size_t> nonfinite(const std::vector<at::Tensor>& tensors);

struct MuonUpdate {
  at::Tensor parameter;
  at::Tensor gradient;
  at::Tensor buffer;
  const MatrixView* view;
  const std::vector<MatrixBlock>* blocks;  // the view's, for the parameter's sizes
  const MuonOptions* options;
  const OrthogonalizeOptions* orthogonalize;  // options->orthogonalize_options()
};

struct AdamWUpdate {
  at::Tensor parameter;
  at::Tensor gradient;
  torch::optim::AdamWParamState* state;
  const torch::optim::AdamWOptions* options;
};

/// One part of a step, such as all Muon updates on one backend.
class PreparedUpdate {
 public:
  virtual ~PreparedUpdate() = default;
  virtual void apply() = 0;
};

/// buffer <- momentum, parameter <- (1 - lr weight_decay) parameter - lr factor polar(momentum),
/// for every matrix of each Muon update; and one AdamW update of each of the others, with decoupled
/// decay and bias-corrected moments.
/// Source   AdamW: Loshchilov and Hutter, https://arxiv.org/abs/1711.05101; amsgrad: Reddi et al.,
///          https://arxiv.org/abs/1904.09237
class Step {
 public:
  /// Errors   std::bad_alloc, c10::Error for a device out of memory; nothing has changed then
  ///          except the dtype and device of states that follow a moved parameter.
  Step(const std::vector<MuonUpdate>& muon, const std::vector<AdamWUpdate>& adamw,
       kernels::Workspace& workspace);
  void apply();

 private:
  std::vector<std::unique_ptr<PreparedUpdate>> parts_;
};

}  // namespace muon
