// What the tests of describe() share.
#pragma once

#include <muon/muon.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

using Names = std::vector<std::string>;
using muon::Evidence;
using muon::Parameter;
using muon::Role;

inline Names names(const std::vector<Parameter>& parameters) {
  Names result;
  for (const Parameter& p : parameters) result.push_back(p.name);
  return result;
}

inline Parameter find(const std::vector<Parameter>& parameters, const std::string& name) {
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [&](const Parameter& p) { return p.name == name; });
  if (found == parameters.end()) throw std::runtime_error("not described: " + name);
  return *found;
}

inline void expect_role(const Parameter& p, Role role, Evidence evidence) {
  EXPECT_EQ(p.role, role) << p.name << ": " << p.reason;
  EXPECT_EQ(p.evidence, evidence) << p.name << ": " << p.reason;
  EXPECT_FALSE(p.reason.empty()) << p.name;
}
