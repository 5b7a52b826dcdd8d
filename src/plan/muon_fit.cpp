#include "plan/muon_fit.hpp"

#include "matrix/shape_text.hpp"

#include <c10/core/ScalarType.h>
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace muon {

std::string why_not_muon(c10::IntArrayRef sizes, std::optional<at::ScalarType> dtype,
                         const MatrixView& view) {
  if (dtype && !at::isFloatingType(*dtype))
    return fmt::format("is of type {}; Muon needs a real floating type. Freeze it",
                       c10::toString(*dtype));
  if (sizes.size() < 2) {
    return fmt::format(
        "has shape {}; Muon is for matrices and needs two or more dimensions. Give it to AdamW: "
        "muon::MuonWithAuxAdam(*model) sorts the parameters of a model",
        shape_text(sizes));
  }
  if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end())
    return fmt::format(
        "has shape {} and no entries; there is nothing to orthogonalize. Give it to AdamW",
        shape_text(sizes));
  try {
    (void)view.shapes(sizes);
  } catch (const std::invalid_argument& error) {
    return fmt::format("does not fit its view: {}", error.what());
  }
  return "";
}

}  // namespace muon
