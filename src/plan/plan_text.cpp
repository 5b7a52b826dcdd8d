// A plan as a table for people and as JSON for programs.
#include <muon/plan/plan.hpp>

#include "files/printable.hpp"
#include "files/sizes.hpp"
#include "matrix/shape_text.hpp"
#include "plan/options_json.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muon {
namespace {

using OrderedJson = nlohmann::ordered_json;

const MuonOptions* muon_options(const Assignment& a) {
  return a.algorithm == Algorithm::muon ? &static_cast<const MuonOptions&>(*a.options) : nullptr;
}
const torch::optim::AdamWOptions* adamw_options(const Assignment& a) {
  return a.algorithm == Algorithm::adamw
             ? &static_cast<const torch::optim::AdamWOptions&>(*a.options)
             : nullptr;
}

std::vector<MatrixShape> matrices(const Assignment& a) {
  return a.algorithm == Algorithm::muon ? a.parameter.view.shapes(a.parameter.shape)
                                        : std::vector<MatrixShape>();
}

std::string matrices_text(const Assignment& a) {
  std::vector<std::string> parts;
  for (const MatrixShape& s : matrices(a))
    parts.push_back(fmt::format("{} of {}x{}", s.count, s.rows, s.cols));
  return parts.empty() ? "-" : fmt::format("{}", fmt::join(parts, ", "));
}

/// One learning rate for each group of equal matrices.
std::vector<double> effective_rates(const Assignment& a) {
  if (const auto* options = adamw_options(a)) return {options->lr()};
  std::vector<double> rates;
  if (const auto* options = muon_options(a)) {
    for (const MatrixShape& s : matrices(a))
      rates.push_back(options->lr() * lr_factor(*options, s.rows, s.cols));
  }
  return rates;
}

std::string rates_text(std::vector<double> rates) {
  if (rates.empty()) return "-";
  const auto [low, high] = std::minmax_element(rates.begin(), rates.end());
  return *low == *high ? fmt::format("{:.4g}", *low) : fmt::format("{:.4g}..{:.4g}", *low, *high);
}

/// "position only: the last Linear; rule 'output head'", with a question mark in front if the
/// confidence is low.
std::string why(const Assignment& a) {
  const Parameter& p = a.parameter;
  const bool list_names = !p.aliases.empty() && p.evidence != Evidence::tie;
  return fmt::format("{}{}; rule '{}'{}", p.low_confidence ? "? " : "", p.reason, a.rule,
                     list_names ? fmt::format("; also {}", fmt::join(p.aliases, ", ")) : "");
}

/// The name in the table for people.
std::string_view title_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::muon: return "Muon";
    case Algorithm::adamw: return "AdamW";
    case Algorithm::frozen: break;
  }
  return "frozen";
}

using Row = std::array<std::string, 9>;

Row row_of(const Assignment& a) {
  const Parameter& p = a.parameter;
  std::string lr = "-", decay = "-";
  if (const auto* options = muon_options(a)) {
    lr = fmt::format("{:.4g}", options->lr());
    decay = fmt::format("{:.4g}", options->weight_decay());
  } else if (const auto* adamw = adamw_options(a)) {
    lr = fmt::format("{:.4g}", adamw->lr());
    decay = fmt::format("{:.4g}", adamw->weight_decay());
  }
  return {p.name,
          shape_text(p.shape),
          matrices_text(a),
          std::string(to_string(p.role)),
          std::string(title_of(a.algorithm)),
          lr,
          rates_text(effective_rates(a)),
          decay,
          why(a)};
}

std::string thousands(std::int64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

struct Total {
  std::int64_t parameters = 0;
  std::int64_t values = 0;
};

Total total(const Plan& plan, Algorithm algorithm) {
  Total sum;
  for (const Assignment& a : plan.assignments()) {
    if (a.algorithm != algorithm) continue;
    ++sum.parameters;
    sum.values = saturating_sum(sum.values, count_values(a.parameter.shape));
  }
  return sum;
}

OrderedJson assignment_json(const Assignment& a) {
  const Parameter& p = a.parameter;
  OrderedJson json;
  json["name"] = p.name;
  json["aliases"] = p.aliases;
  json["shape"] = p.shape;
  json["module_type"] = p.module_type;
  json["role"] = to_string(p.role);
  json["evidence"] = to_string(p.evidence);
  json["reason"] = p.reason;
  json["low_confidence"] = p.low_confidence;
  json["optimizer"] = to_string(a.algorithm);
  json["rule"] = a.rule;
  if (a.algorithm == Algorithm::muon) {
    json["view"] = p.view.to_string();
    for (const MatrixShape& s : matrices(a)) {
      json["matrices"].push_back(
          OrderedJson{{"count", s.count}, {"rows", s.rows}, {"cols", s.cols}});
    }
  }
  if (a.algorithm != Algorithm::frozen) {
    json["effective_lr"] = effective_rates(a);
    json["options"] = options_json(*a.options);
  }
  return json;
}

constexpr std::array<Algorithm, 3> algorithms{Algorithm::muon, Algorithm::adamw, Algorithm::frozen};

std::string rows_text(const Plan& plan) {
  std::vector<Row> rows{{"name", "shape", "matrices", "role", "optimizer", "lr", "effective lr",
                         "weight decay", "why"}};
  for (const Assignment& a : plan.assignments()) {
    rows.push_back(row_of(a));
    // a name from a file may hold any bytes
    for (std::string& cell : rows.back()) cell = printable(cell);
  }
  std::array<std::size_t, std::tuple_size_v<Row>> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string totals_text(const Plan& plan) {
  std::string text;
  for (const Algorithm algorithm : algorithms) {
    const Total sum = total(plan, algorithm);
    if (sum.parameters == 0 && algorithm == Algorithm::frozen) continue;
    text += fmt::format("{:<6} {:>5} parameter{} {:>14} values\n", title_of(algorithm),
                        sum.parameters, sum.parameters == 1 ? ", " : "s,", thousands(sum.values));
  }
  return text;
}

/// What the reader of the table should check.
std::string remarks_text(const Plan& plan) {
  const auto any = [&](const auto& condition) {
    return std::any_of(plan.assignments().begin(), plan.assignments().end(),
                       [&](const Assignment& a) { return condition(a.parameter); });
  };
  std::string text;
  if (any([](const Parameter& p) { return p.low_confidence; })) {
    text +=
        "?  low confidence: decided by position or shape alone, or by an ambiguous name; please "
        "review\n";
  }
  if (!any([](const Parameter& p) {
        return p.model_has_head || p.role == Role::output_head || p.evidence == Evidence::tie;
      })) {
    text += "No output head was found. If the model has one, give it a rule of its own.\n";
  }
  return text;
}

}  // namespace

std::string Plan::table() const {
  return rows_text(*this) + "\n" + totals_text(*this) + remarks_text(*this);
}

std::string Plan::json() const {
  OrderedJson json;
  json["format"] = 1;
  json["parameters"] = OrderedJson::array();
  for (const Assignment& a : assignments_) json["parameters"].push_back(assignment_json(a));
  for (const Algorithm algorithm : algorithms) {
    const Total sum = total(*this, algorithm);
    json["totals"][std::string(to_string(algorithm))] =
        OrderedJson{{"parameters", sum.parameters}, {"values", sum.values}};
  }
  // a name may hold any bytes, but JSON must be UTF-8
  return json.dump(2, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace muon
