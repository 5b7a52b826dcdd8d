// The language model: its size.
#pragma once

#include <cstdint>
#include <memory>

namespace cli {

class Model;

struct GptShape {
  std::int64_t layers = 4;
  std::int64_t width = 128;
  std::int64_t heads = 4;  ///< width / heads is whole and even
  std::int64_t context = 128;
  bool tied = false;  ///< the output head is the embedding's table
};

/// Takes int64 [n, time], bytes with time <= context, and gives logits [n, time, 256] for the byte
/// after each.
std::shared_ptr<Model> make_gpt(const GptShape& shape);

}  // namespace cli
