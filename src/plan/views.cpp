#include "plan/views.hpp"

#include "plan/fused.hpp"
#include "plan/role.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>

namespace muon {
namespace {

using Shape = std::vector<std::int64_t>;

/// `count` row blocks, if that many fit; a class of the user's may share no more than a name with
/// one of LibTorch's.
MatrixView chunked(const MatrixView& view, std::int64_t count, std::int64_t rows) {
  return count > 1 && rows > 0 && rows % count == 0 ? view.chunk_rows(count) : view;
}

bool is_gate_weight(const std::string& local) {
  return local.starts_with("weight_ih") || local.starts_with("weight_hh");
}

MatrixView view_by_type(const Parameter& p, const std::string& local) {
  const std::size_t dims = p.shape.size();
  if (dims < 2) return {};
  const std::int64_t rows = p.shape.front();
  if (p.role == Role::convolution) {
    const MatrixView view = chunked(MatrixView::flatten(), p.groups, rows);
    // [in, out / groups, kernel ..]
    return p.module_type.starts_with("ConvTranspose") ? view.transposed() : view;
  }
  if (dims == 2) {
    if (p.module_type == "MultiheadAttention" && local == "in_proj_weight")
      return chunked(MatrixView::matrix(), 3, rows);
    if (is_gate_weight(local) && p.module_type.starts_with("LSTM"))
      return chunked(MatrixView::matrix(), 4, rows);
    if (is_gate_weight(local) && p.module_type.starts_with("GRU"))
      return chunked(MatrixView::matrix(), 3, rows);
    return MatrixView::matrix();
  }
  return dims == 3 ? MatrixView::stack() : MatrixView::flatten();
}

class ViewFinder {
 public:
  explicit ViewFinder(std::vector<Entry>& entries) : entries_(entries) {
    for (const Entry& entry : entries_) {
      const Parameter& p = entry.parameter;
      if (p.shape.size() != 2 || !has_values(p)) continue;
      shapes_.emplace(entry.name().text, p.shape);
      stores_inputs_first_ = stores_inputs_first_ || is_transposed_c_attn(entry);
    }
  }

  void set_all() {
    for (Entry& entry : entries_) {
      Parameter& p = entry.parameter;
      p.view = view_by_type(p, entry.name().local);
      if (p.role != Role::hidden_matrix || !has_values(p)) continue;
      if (p.evidence != Evidence::module_type) set_by_name(entry);
      split_fused(p, entry.name(), width_of_queries(entry));
    }
  }

 private:
  /// Hugging Face's GPT-2 stores matrices as [inputs, outputs]: its c_attn is three times as wide
  /// as high.
  static bool is_transposed_c_attn(const Entry& entry) {
    const Parameter& p = entry.parameter;
    return entry.name().layer == "c_attn" && p.evidence != Evidence::module_type &&
           p.shape[1] % 3 == 0 && p.shape[1] / 3 == p.shape[0];
  }

  void set_by_name(Entry& entry) {
    const NameParts& name = entry.name();
    if (is_gate_weight(name.local)) return set_gates(entry);
    if (entry.parameter.shape.size() == 3 && name.in_attention) return set_heads(entry);
    constexpr std::array<std::string_view, 3> layers{"c_fc", "c_proj", "q_attn"};
    if (!stores_inputs_first_ || !contains(layers, name.layer)) return;
    entry.parameter.view = MatrixView::matrix().transposed();
    entry.parameter.reason += ", stored [inputs, outputs]";
  }

  /// A recurrent weight of hidden size n has n columns, and n rows for each gate.
  void set_gates(Entry& entry) {
    Parameter& p = entry.parameter;
    std::string recurrent = entry.name().text;
    const auto at = recurrent.rfind("weight_ih");
    if (at != std::string::npos) recurrent.replace(at, 9, "weight_hh");
    const auto found = shapes_.find(recurrent);
    std::int64_t gates = 1;
    if (found != shapes_.end() && found->second[0] % found->second[1] == 0) {
      gates = found->second[0] / found->second[1];
    } else if (entry.name().text.find("lstm") != std::string::npos) {
      gates = 4;
    } else if (entry.name().text.find("gru") != std::string::npos) {
      gates = 3;
    }
    if (gates != 3 && gates != 4) return;
    p.view = chunked(MatrixView::matrix(), gates, p.shape[0]);
    p.reason += gates == 4 ? ": the four gates of an LSTM" : ": the three gates of a GRU";
  }

  /// XLNet's projections are [width, heads, size of a head]; its output's rows are the outputs.
  void set_heads(Entry& entry) {
    constexpr std::array<std::string_view, 4> inputs{"q", "k", "v", "r"};
    const bool outputs_first = entry.name().layer == "o";
    if (!outputs_first && !contains(inputs, entry.name().layer)) return;
    Parameter& p = entry.parameter;
    p.view = outputs_first ? MatrixView::flatten() : MatrixView::flatten().transposed();
    p.low_confidence = true;
    p.reason += "; read as [width, heads, size of a head]";
  }

  /// What the output projection beside a fused weight takes in, which are all heads' values.
  std::optional<std::int64_t> width_of_queries(const Entry& entry) const {
    const NameParts& name = entry.name();
    if (entry.parameter.shape.size() != 2) return std::nullopt;
    for (const char* output : {"proj", "out_proj", "o_proj", "c_proj", "dense", "out", "to_out",
                               "to_out.0", "wo", "Wo", "linear_proj", "attn_out", "o_net", "o"}) {
      std::string path = fmt::format("{}", fmt::join(name.around, "."));
      path += fmt::format("{}{}.weight", path.empty() ? "" : ".", output);
      const auto found = shapes_.find(path);
      if (found == shapes_.end() || found->second[0] != entry.parameter.shape[1]) continue;
      return found->second[1];
    }
    return std::nullopt;
  }

  std::vector<Entry>& entries_;
  std::map<std::string, Shape> shapes_;  // of the matrices, by name
  bool stores_inputs_first_ = false;
};

}  // namespace

void set_views(std::vector<Entry>& entries) { ViewFinder(entries).set_all(); }

}  // namespace muon
