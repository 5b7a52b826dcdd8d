// ChatGPT's export and messages as the chat interfaces have them.
#include "program.hpp"
#include "reading.hpp"
#include "stores.hpp"

#include <gmock/gmock.h>

namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

class Export : public InFolder {};

Json node(const std::string& id, const Json& parent, const std::vector<std::string>& children,
          const std::string& role, const Json& content) {
  const Json message = role.empty() ? Json()
                                    : Json{{"id", id},
                                           {"author", {{"role", role}}},
                                           {"content", content},
                                           {"create_time", 1.5}};
  return {{"id", id}, {"parent", parent}, {"children", children}, {"message", message}};
}
Json text(const std::string& part) { return {{"content_type", "text"}, {"parts", {part}}}; }

Json tree() {
  return {{"root", node("root", nullptr, {"q1", "q2"}, "", nullptr)},
          {"q1", node("q1", "root", {"a1"}, "user", text("first wording"))},
          {"a1", node("a1", "q1", {}, "assistant", text("to the first"))},
          {"q2", node("q2", "root", {"a2"}, "user", text("second wording"))},
          {"a2", node("a2", "q2", {}, "assistant", text("to the second"))}};
}

TEST_F(Export, OfChatGptFollowsTheCurrentBranch) {
  write_file("conversations.json",
             Json::array({{{"id", "c"}, {"current_node", "a2"}, {"mapping", tree()}}}).dump());
  EXPECT_THAT(read_texts("conversations.json"), ElementsAre("Q:second wording", "A:to the second"));
  dialogue::Options all;
  all.read.all_branches = true;
  EXPECT_THAT(
      read_texts("conversations.json", all),
      ElementsAre("Q:first wording", "A:to the first", "Q:second wording", "A:to the second"));
}

TEST_F(Export, OfChatGptWithoutACurrentNodeOrWithACircleEnds) {
  Json circle = tree();
  circle["root"]["parent"] = "a2";
  write_file("c.json", Json::array({{{"id", "c"}, {"mapping", circle}}}).dump());
  EXPECT_FALSE(read_texts("c.json").empty());
  dialogue::Options all;
  all.read.all_branches = true;
  write_file("c.json",
             Json::array({{{"id", "c"}, {"current_node", "a2"}, {"mapping", circle}}}).dump());
  EXPECT_THAT(read_texts("c.json"), ElementsAre("Q:second wording", "A:to the second"));
}

TEST_F(Export, OfChatGptJoinsPartsAndNamesPictures) {
  const Json parts = {{"content_type", "multimodal_text"},
                      {"parts",
                       {{{"content_type", "image_asset_pointer"}},
                        "look",
                        {{"content_type", "audio_transcription"}, {"text", "and listen"}}}}};
  const Json picture = {{"content_type", "multimodal_text"},
                        {"parts", {{{"content_type", "image_asset_pointer"}}}}};
  const Json mapping = {{"a", node("a", nullptr, {"b"}, "user", parts)},
                        {"b", node("b", "a", {}, "user", picture)}};
  write_file("c.json",
             Json::array({{{"id", "c"}, {"current_node", "b"}, {"mapping", mapping}}}).dump());
  EXPECT_THAT(read_texts("c.json"), ElementsAre("Q:look\nand listen", "Q:[image]"));
}

TEST_F(Export, OfChatGptKeepsWhatOnlyLooksLikeAMark) {
  const Json typed = {{"content_type", "text"}, {"parts", {"a", "", "[image]", "b"}}};
  const Json beside = {{"content_type", "multimodal_text"},
                       {"parts", {"", {{"content_type", "image_asset_pointer"}}}}};
  const Json mapping = {{"a", node("a", nullptr, {"b"}, "user", typed)},
                        {"b", node("b", "a", {}, "user", beside)}};
  write_file("c.json",
             Json::array({{{"id", "c"}, {"current_node", "b"}, {"mapping", mapping}}}).dump());
  EXPECT_THAT(read_texts("c.json"), ElementsAre("Q:a\n\n[image]\nb", "Q:[image]"));
}

TEST_F(Export, OfManyConversationsGivesTheNewestOrTheOneThatIsNamed) {
  Json all = Json::parse(chatgpt_export({ask("old")}, "aaa", 100.0));
  all.push_back(Json::parse(chatgpt_export({ask("new")}, "bbb", 300.0))[0]);
  all.push_back(Json::parse(chatgpt_export({ask("middle")}, "ccc", 200.0))[0]);
  write_file("conversations.json", all.dump(2));
  EXPECT_THAT(read_texts("conversations.json"), ElementsAre("Q:new"));
  EXPECT_THAT(shell("$tool conversations.json --session aa -o -").out, HasSubstr("用户：old"));
  const std::string half = all.dump(2);
  write_file("half.json", half.substr(0, half.size() - 300));
  const Result run = shell("$tool half.json -o -");
  EXPECT_EQ(run.status, 0);
  EXPECT_THAT(run.out, HasSubstr("用户：new"));
  EXPECT_THAT(run.err, HasSubstr("1 damaged record"));
}

TEST_F(Export, OfClaudeAiHasTheSameNameAndFollowsTheNewestBranch) {
  const auto message = [](const std::string& id, const Json& parent, const std::string& sender,
                          const std::string& text, int second) {
    return Json{
        {"uuid", id},
        {"parent_message_uuid", parent},
        {"sender", sender},
        {"text", "all blocks as one text"},
        {"created_at", "2026-01-01T00:00:0" + std::to_string(second) + "Z"},
        {"content",
         {{{"type", "thinking"}, {"thinking", "hidden"}}, {{"type", "text"}, {"text", text}}}}};
  };
  const std::string root = "00000000-0000-4000-8000-000000000000";
  const Json branches = {
      message("z", root, "human", "frist", 1), message("y", "z", "assistant", "?", 2),
      message("b", root, "human", "first", 3), message("a", "b", "assistant", "yes", 4)};
  const Json older = {{{"uuid", "2"}, {"sender", "human"}, {"text", "only text"}},
                      {{"uuid", "1"}, {"sender", "assistant"}, {"text", "fine"}},
                      {{"uuid", "0"},
                       {"sender", "human"},
                       {"text", ""},
                       {"attachments", {{{"file_name", "a.txt"}, {"extracted_content", "x"}}}}}};
  Json all = Json::array({{{"uuid", "c-old"},
                           {"name", "Old"},
                           {"updated_at", "2025-01-01T00:00:00Z"},
                           {"chat_messages", older}},
                          {{"uuid", "c-new"},
                           {"name", "New"},
                           {"updated_at", "2026-01-01T00:00:00Z"},
                           {"chat_messages", branches}}});
  write_file("conversations.json", all.dump());
  EXPECT_THAT(read_texts("conversations.json"), ElementsAre("Q:first", "A:yes"));
  EXPECT_THAT(shell("$tool conversations.json -o -").err,
              HasSubstr("claude.ai conversation c-new 'New'"));
  dialogue::Options options;
  options.session = "c-old";
  EXPECT_THAT(read_texts("conversations.json", options),
              ElementsAre("Q:only text", "A:fine", "Q:[file: a.txt]"));
  all[1]["current_leaf_message_uuid"] = "y";
  write_file("conversations-000.json", all.dump());
  EXPECT_THAT(read_texts("conversations-000.json"), ElementsAre("Q:frist", "A:?"));
}

TEST_F(Export, OfMessagesComesInManyShapes) {
  const Json list = {
      {{"role", "developer"}, {"content", "no"}},
      {{"role", "user"}, {"content", "q"}},
      {{"role", "assistant"}, {"content", {{{"type", "output_text"}, {"text", "a"}}}}}};
  for (const Json& shape : {list, Json{{"model", "m"}, {"messages", list}}, Json{{"input", list}},
                            Json::array({{{"messages", list}}})}) {
    for (const int indent : {-1, 2}) {
      write_file("m.json", "\xEF\xBB\xBF" + shape.dump(indent));
      EXPECT_THAT(read_texts("m.json"), ElementsAre("Q:q", "A:a")) << shape;
    }
  }
  write_file("aliases.json", R"([{"from":"human","value":"q"},{"role":"model","text":"a"}])");
  EXPECT_THAT(read_texts("aliases.json"), ElementsAre("Q:q", "A:a"));
}

TEST_F(Export, OfALogOfRequestsGivesTheLast) {
  const auto request = [](const char* text) {
    return Json{{"messages", {{{"role", "user"}, {"content", text}}}}}.dump() + "\n";
  };
  write_file("log.jsonl", request("first") + "{damaged\n" + request("second"));
  dialogue::Report report;
  EXPECT_THAT(read_texts("log.jsonl", {}, &report), ElementsAre("Q:second"));
  EXPECT_EQ(report.damaged, 1u);
  EXPECT_THAT(shell("$tool log.jsonl --session 1 -o -").out, HasSubstr("用户：first"));
}

}  // namespace
