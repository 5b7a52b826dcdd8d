#include "rounds.hpp"

#include "markdown_layout.hpp"
#include "message_text.hpp"

#include <fmt/format.h>

#include <utility>

namespace dialogue {
namespace {

constexpr std::string_view hard_break = "  \n";
constexpr std::string_view rule = "\n---\n";

bool asks_to_save(const Message& message) {
  const std::string_view text = trimmed(message.text);
  for (const std::string_view command : {"/dialogue_save", "/dialogue-save"}) {
    if (message.role == Role::user && text.starts_with(command) &&
        is_blank(text.substr(command.size(), 1)))
      return true;
  }
  return false;
}

}  // namespace

RoundWriter::RoundWriter(Write write, const std::string& time, const RoundOptions& options,
                         Report& report)
    : write_(std::move(write)), options_(options), report_(report) {
  write_(fmt::format("# Chat Dialogue Log\n\n## 对话时间\n{}\n{}\n## 对话内容\n\n", time, rule));
}

void RoundWriter::add(const Message& message) {
  const bool user = message.role == Role::user;
  if (user) {
    for (const Message& waiting : std::exchange(held_, {})) write_message(waiting);
  }
  if (options_.exclude_self && (asks_to_save(message) || (!user && !held_.empty()))) {
    held_.push_back(message);
  } else {
    write_message(message);
  }
}

void RoundWriter::write_message(const Message& message) {
  const std::string_view text = trimmed(message.text);
  if (message.role == Role::user) {
    ++questions_;
    begin_round(text, message);
  } else {
    if (rounds_ == 0) {
      report_.warnings.emplace_back(
          "the conversation begins with an answer: round 1 has no question");
      begin_round("", message);
    }
    add_answer(text, message);
  }
}

void RoundWriter::begin_round(std::string_view question, const Message& message) {
  if (rounds_ > 0) {
    write_("\n");
    write_(rule);
    write_("\n");
  }
  const Layout layout = options_.raw ? Layout() : layout_of(question);
  write_(fmt::format("### 问题 {}\n用户：{}", ++rounds_, layout.starts_block ? "\n\n" : ""));
  write_(question);
  write_(hard_break);
  if (!layout.closer.empty()) {
    write_closer(layout.closer, message);
    write_("\n");
  } else if (layout.absorbs_next) {
    write_("\n");
  }
  write_("助手：");
  answered_ = false;
}

void RoundWriter::add_answer(std::string_view answer, const Message& message) {
  const Layout layout = options_.raw ? Layout() : layout_of(answer);
  if (answered_ || layout.starts_block) write_("\n\n");
  write_(answer);
  if (!layout.closer.empty()) {
    write_("\n");
    write_closer(layout.closer, message);
  }
  answered_ = true;
}

void RoundWriter::write_closer(const std::string& closer, const Message& message) {
  write_(closer);
  report_.warnings.push_back(
      fmt::format("the {} of round {} leaves a block open; it is closed by a line '{}' after it",
                  message.role == Role::user ? "question" : "answer", rounds_, closer));
}

std::size_t RoundWriter::finish() {
  if (rounds_ > 0) write_("\n");
  if (rounds_ > 0 && options_.final_rule) write_(rule);
  return questions_ == 0 ? 0 : rounds_;
}

}  // namespace dialogue
