#include "claude_queue.hpp"

#include "claude_record.hpp"
#include "message_text.hpp"

namespace dialogue {

void ClaudeQueue::operation(const Json& row, std::size_t index) {
  const std::string operation = text_member(row, "operation"),
                    content = content_text(member(row, "content"));
  const std::string_view text = trimmed(content);
  if (operation == "enqueue") {
    texts_.push_back({std::string(text), index, index, true, text.empty() || claude_notice(text)});
  } else if (operation == "dequeue" || operation == "remove") {
    take({std::string(text), index, index, false, claude_notice(text), operation == "dequeue",
          text_member(row, "timestamp")});
  } else if (operation == "popAll") {
    // they are in the input line again and come once more if they are sent
    texts_.remove_if([](const Text& it) { return it.open; });
  }
}

/// The first text in the queue, or the first that reads so.
ClaudeQueue::Text* ClaudeQueue::next(std::string_view text) {
  for (Text& it : texts_) {
    if (it.open && (text.empty() || it.text == text)) return &it;
  }
  return nullptr;
}

void ClaudeQueue::take(Text removed) {
  if (Text* const it = next(removed.text)) {
    it->open = false;
    it->submitted = removed.submitted;
    it->place = removed.place;
    it->taken = removed.taken;
  } else if (const auto found = early_.find(removed.text); found != early_.end()) {
    early_.erase(found);
  } else if (!removed.text.empty()) {
    texts_.push_back(std::move(removed));
  }
  texts_.remove_if([](const Text& done) { return done.told && !done.open; });
}

void ClaudeQueue::answered(const std::string& time) {
  for (Text& it : texts_) {
    const bool first = !it.open && !it.submitted && it.answered.empty();
    if (first && it.taken < time) it.answered = time;
  }
}

void ClaudeQueue::told(const Json& row) {
  const std::string text = claude_told(row);
  if (text.empty()) return;
  const std::string_view whole = trimmed(text);
  const bool queued = text_member(row, "type") == "attachment";
  const std::string time = text_member(row, "timestamp");
  const auto waits = [&](const Text& it) {
    return !it.told && (queued || it.answered.empty() || time < it.answered);
  };
  for (Text& it : texts_) {
    if (waits(it) && it.text == whole) return void(it.told = true);
  }
  // several texts that waited become one row, each on lines of its own
  std::vector<Text*> parts;
  std::string_view rest = whole;
  for (Text& it : texts_) {
    const bool part = waits(it) && !rest.empty() && rest.starts_with(it.text) &&
                      (rest.size() == it.text.size() || rest[it.text.size()] == '\n');
    if (!part) continue;
    parts.push_back(&it);
    rest = trimmed(rest.substr(it.text.size()));
  }
  if (!rest.empty()) parts.clear();
  for (Text& it : texts_) {
    const bool reworded =
        text_member(row, "promptSource") == "queued" && parts.empty() && it.submitted && !it.told;
    if (reworded) parts.push_back(&it);
  }
  for (Text* const part : parts) part->told = true;
  if (parts.empty() && queued) early_.emplace(whole);
}

std::vector<ClaudeQueue::Text> ClaudeQueue::untold() const {
  std::vector<Text> found;
  for (const Text& it : texts_) {
    if (!it.told) found.push_back(it);
  }
  return found;
}

}  // namespace dialogue
