// Rules: conditions on parameters, and the built-in list.
#include <muon/plan/recipe.hpp>
#include <muon/plan/rule.hpp>

#include "plan/role.hpp"

#include <fmt/format.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>

namespace muon {
namespace {

/// `*` matches any text, `?` any one character. Iterative, so that long names are not slow.
bool glob_matches(std::string_view glob, std::string_view text) {
  std::size_t g = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      mark = t;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

/// One input channel for each group: every filter sees one channel, so there is no matrix between
/// channels. If the module's type is unknown, one input channel counts as depthwise too.
bool is_depthwise(const Parameter& p) {
  if (p.role != Role::convolution || p.shape.size() < 3 || p.shape[1] != 1) return false;
  return p.groups > 1 || !p.module_type.starts_with("Conv");
}

/// Whether the condition holds for one of the parameter's matrices.
template <typename Condition>
bool any_matrix(const Parameter& p, const Condition& condition) {
  if (p.shape.size() < 2) return false;
  try {
    const auto shapes = p.view.shapes(p.shape);
    return std::any_of(shapes.begin(), shapes.end(), condition);
  } catch (const std::invalid_argument&) {
    return false;  // the view does not fit; the plan reports that with the parameter's name
  }
}

// timm's bounds. Matrices outside of them are mostly tables, tokens, coordinates or bottlenecks, and
// the orthogonal factor of a matrix that is nearly a vector is nearly a normalized one.
constexpr std::int64_t least_side = 4;
constexpr std::int64_t most_aspect = 128;

bool is_stack_of_one(const Parameter& p) { return p.shape.size() >= 3 && p.shape.front() == 1; }

bool has_short_side(const Parameter& p) {
  return any_matrix(p, [](const MatrixShape& s) { return std::min(s.rows, s.cols) < least_side; });
}

bool is_too_long(const Parameter& p) {
  return any_matrix(p, [](const MatrixShape& s) {
    return std::max(s.rows, s.cols) > most_aspect * std::min(s.rows, s.cols);
  });
}

template <class Options>
Options with_rate(Options options, const std::optional<double>& lr) {
  if (lr) options.lr(*lr);
  return options;
}

}  // namespace

Rule::Rule(std::string label, Predicate matches)
    : label_(std::move(label)), matches_(std::move(matches)) {
  if (!matches_)
    throw std::invalid_argument(
        fmt::format("[Rule] {} has an empty predicate; give a condition on a parameter", label_));
}

Rule Rule::use(const MuonOptions& options) && {
  algorithm_ = Algorithm::muon;
  options_ = std::make_shared<MuonOptions>(options);
  return std::move(*this);
}

Rule Rule::use(const torch::optim::AdamWOptions& options) && {
  algorithm_ = Algorithm::adamw;
  options_ = std::make_shared<torch::optim::AdamWOptions>(options);
  return std::move(*this);
}

Rule Rule::freeze() && {
  algorithm_ = Algorithm::frozen;
  options_ = nullptr;
  return std::move(*this);
}

Rule Rule::view(MatrixView view) && {
  view_ = std::move(view);
  return std::move(*this);
}

Rule Rule::first() && {
  first_ = true;
  return std::move(*this);
}

Rule Rule::optional() && {
  optional_ = true;
  return std::move(*this);
}

Rule Rule::use(const MuonOptions& options) const& { return Rule(*this).use(options); }
Rule Rule::use(const torch::optim::AdamWOptions& options) const& {
  return Rule(*this).use(options);
}
Rule Rule::freeze() const& { return Rule(*this).freeze(); }
Rule Rule::view(MatrixView view) const& { return Rule(*this).view(std::move(view)); }
Rule Rule::first() const& { return Rule(*this).first(); }
Rule Rule::optional() const& { return Rule(*this).optional(); }

Rule by_name(std::string glob) {
  std::string label = fmt::format("name {}", glob);
  return Rule(std::move(label), [glob = std::move(glob)](const Parameter& p) {
    return glob_matches(glob, p.name) ||
           std::any_of(p.aliases.begin(), p.aliases.end(),
                       [&](const std::string& alias) { return glob_matches(glob, alias); });
  });
}

Rule by_module(std::string type) {
  std::string label = fmt::format("module {}", type);
  return Rule(std::move(label),
              [type = std::move(type)](const Parameter& p) { return p.module_type == type; });
}

Rule by_role(Role role) {
  return Rule(fmt::format("role {}", to_string(role)),
              [role](const Parameter& p) { return p.role == role; });
}

Rule by_dim(std::int64_t at_least, std::int64_t at_most) {
  return Rule(fmt::format("{} to {} dimensions", at_least, at_most), [=](const Parameter& p) {
    const auto dims = static_cast<std::int64_t>(p.shape.size());
    return at_least <= dims && dims <= at_most;
  });
}

Rule where(std::string label, Rule::Predicate predicate) {
  return Rule(std::move(label), std::move(predicate));
}

Rule otherwise() {
  return Rule("otherwise", [](const Parameter&) { return true; }).optional();
}

std::vector<Rule> default_rules() { return default_rules(Recipe()); }

std::vector<Rule> default_rules(const MuonOptions& muon, const torch::optim::AdamWOptions& adamw) {
  return default_rules(Recipe{.muon = muon, .adamw = adamw});
}

std::vector<Rule> default_rules(const Recipe& recipe) {
  const auto muon = with_rate(recipe.muon, recipe.lr);
  const auto adamw = with_rate(recipe.adamw, recipe.adamw_lr);
  const auto embedding = with_rate(recipe.embedding.value_or(adamw), recipe.embedding_lr);
  const auto head = with_rate(recipe.head.value_or(adamw), recipe.head_lr);
  const auto vectors = with_rate(recipe.vectors.value_or(adamw), recipe.vector_lr);
  const auto has_role = [](Role role) {
    return [role](const Parameter& p) { return p.role == role; };
  };
  const auto vector_like = [](const Parameter& p) {
    return p.shape.size() < 2 || p.role == Role::gain || p.role == Role::bias;
  };
  const auto no_matrix = [](const Parameter& p) {  // by name; of a bare shape it is not known
    return p.role == Role::other && p.evidence == Evidence::name;
  };
  std::vector<Rule> rules{where("embedding", has_role(Role::embedding)).use(embedding),
                          where("output head", has_role(Role::output_head)).use(head),
                          where("gain, bias or vector", vector_like).use(vectors)};
  if (recipe.first_convolution_to_adamw)
    rules.push_back(where("first convolution", has_role(Role::convolution)).first().use(adamw));
  rules.push_back(where("no values", [](const Parameter& p) { return !has_values(p); }).use(adamw));
  rules.push_back(where("depthwise convolution", is_depthwise).use(adamw));
  rules.push_back(where("no matrix by its name", no_matrix).use(adamw));
  rules.push_back(where("leading dimension of 1", is_stack_of_one).use(adamw));
  rules.push_back(where("matrix with a side below 4", has_short_side).use(adamw));
  rules.push_back(where("aspect ratio above 128", is_too_long).use(adamw));
  rules.push_back(where("other matrices", [](const Parameter&) { return true; }).use(muon));
  for (Rule& rule : rules) rule = std::move(rule).optional();
  return rules;
}

std::vector<Rule> with_default_rules(std::vector<Rule> first) {
  return with_default_rules(std::move(first), Recipe());
}

std::vector<Rule> with_default_rules(std::vector<Rule> first, const MuonOptions& muon,
                                     const torch::optim::AdamWOptions& adamw) {
  return with_default_rules(std::move(first), Recipe{.muon = muon, .adamw = adamw});
}

std::vector<Rule> with_default_rules(std::vector<Rule> first, const Recipe& recipe) {
  for (Rule& rule : default_rules(recipe)) first.push_back(std::move(rule));
  return first;
}

}  // namespace muon
