// The Markdown of a conversation: rounds of one question and all that was answered to it.
#pragma once

#include "conversation.hpp"
#include "report.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace dialogue {

struct RoundOptions {
  // the grammar and nothing else: no line is added where a message would break the page
  bool raw = false;
  bool final_rule = false;    // a rule after the last round too
  bool exclude_self = false;  // without a last round that asks to save the conversation
};

/// Writes, as the messages come, exactly
///
///     FILE  := "# Chat Dialogue Log\n\n## 对话时间\n" TIME "\n\n---\n\n## 对话内容\n\n"
///              ROUND { "\n---\n\n" ROUND }
///     ROUND := "### 问题 " N "\n用户：" USER "  \n助手：" ANSWER "\n"
///
/// USER and ANSWER are the messages' bytes without leading newlines and trailing white space; the
/// texts of one answer are joined by one blank line. Only around them, and not with `raw`, lines
/// are added where the page would break: an empty line before a message that begins with a block,
/// and before 助手： after a list, quote, table or HTML block; a closing fence after a message that
/// leaves one open.
class RoundWriter {
 public:
  using Write = std::function<void(std::string_view)>;

  RoundWriter(Write write, const std::string& time, const RoundOptions& options, Report& report);

  void add(const Message& message);
  /// To be called once after the last message. Returns the number of rounds; 0: nothing was asked,
  /// the text is of no use.
  std::size_t finish();

 private:
  void write_message(const Message& message);
  void begin_round(std::string_view question, const Message& message);
  void add_answer(std::string_view answer, const Message& message);
  void write_closer(const std::string& closer, const Message& message);

  Write write_;
  RoundOptions options_;
  Report& report_;
  // a round that asks to save the conversation, until it is known whether it is the last
  std::vector<Message> held_;
  std::size_t rounds_ = 0, questions_ = 0;
  bool answered_ = false;
};

}  // namespace dialogue
