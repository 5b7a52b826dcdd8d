#include "optim/kernel_tensors.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>

namespace muon {

bool has_kernel_layout(const at::Tensor& tensor, at::ScalarType type) {
  return tensor.scalar_type() == type && tensor.is_contiguous() && !tensor.is_neg();
}

void KernelTensor::copy_in() const {
  if (!is_copied()) return;
  at::Tensor target = tensor_;
  target.copy_(original_);
}

void KernelTensor::copy_out() const {
  if (is_copied()) {
    const c10::InferenceMode write_any(c10::InferenceMode::is_enabled() ||
                                       original_.is_inference());
    const c10::NoGradGuard no_grad;  // InferenceMode(false) turns gradients on
    at::Tensor target = original_;
    target.copy_(tensor_);
  } else if (tensor_.defined() && !tensor_.is_inference()) {
    tensor_.unsafeGetTensorImpl()->bump_version();
  }
}

KernelTensor StagingArea::add(const at::Tensor& tensor) {
  KernelTensor staged;
  staged.original_ = tensor;
  if (!tensor.defined() || has_kernel_layout(tensor, type_)) {
    staged.tensor_ = tensor;
    return staged;
  }
  staged.offset_ = used_;
  // whole cache lines, so that threads on neighbours do not share one
  used_ += (tensor.numel() + 15) / 16 * 16;
  most_ = std::max(most_, used_);
  return staged;
}

void StagingArea::allocate() {
  memory_ = at::empty({most_}, at::TensorOptions().dtype(type_).device(at::kCPU));
}

void StagingArea::place(KernelTensor& staged) const {
  if (!staged.is_copied()) return;
  staged.tensor_ =
      memory_.narrow(0, staged.offset_, staged.original_.numel()).view(staged.original_.sizes());
}

}  // namespace muon
