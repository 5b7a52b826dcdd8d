// Compiled as C++17: the headers of matrices are usable there, comparisons in both directions
// included.
#include <muon/matrix/matrix_view.hpp>
#include <muon/matrix/orthogonalize.hpp>

static_assert(__cplusplus == 201703L, "this file is compiled as C++17");

bool compares(const muon::MatrixView& view, const muon::MatrixShape& shape,
              const muon::NewtonSchulzStep& step);

bool compares(const muon::MatrixView& view, const muon::MatrixShape& shape,
              const muon::NewtonSchulzStep& step) {
  const muon::MatrixBlock block{};
  return view == view && !(view != view) && shape == shape && !(shape != shape) && step == step &&
         !(step != step) && block.count == 1 &&
         muon::OrthogonalizeOptions().steps == muon::jordan_steps();
}
