// What was typed while an answer ran: rows that say what happens to the queue of such texts.
#pragma once

#include "json_text.hpp"

#include <list>
#include <set>
#include <string>
#include <vector>

namespace dialogue {

/// Finds the texts that no other row tells. Which rows do has changed with the versions: a text
/// that waits for the end of the answer becomes a row of type user; one that joins the answer
/// becomes a queued command, or the row that removes it is all there is; before April 2026 that row
/// had no text, and the one that put it in the queue is all there is.
class ClaudeQueue {
 public:
  struct Text {
    std::string text;
    std::size_t source = 0;  // the record that holds the text
    std::size_t place = 0;   // the record in whose place it belongs
    bool open = true;        // still in the queue
    bool told = false;       // by another row, or not typed
    bool submitted = false;  // taken out to become a row of type user
    // when it was taken out, and the first answer after that: what is typed later is another text
    std::string taken = {}, answered = {};
  };

  /// A row of type queue-operation, which is record `index`.
  void operation(const Json& row, std::size_t index);
  /// A row of type user, or a queued command, which tells a text in the user's name.
  void told(const Json& row);
  /// An answer of this time. Rows are not written strictly in the order of their times.
  void answered(const std::string& time);
  /// What is told by no row so far and was not taken back.
  std::vector<Text> untold() const;

 private:
  Text* next(std::string_view text);
  void take(Text removed);

  std::list<Text> texts_;
  // queued commands that came before the row that removes them
  std::multiset<std::string, std::less<>> early_;
};

}  // namespace dialogue
