// Cursor's database: the lines of the input are the values of a conversation's rows; an input
// without lines is the database itself.
#include "reader.hpp"

#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace dialogue {
Format cursor_format();
}

namespace {

namespace fs = std::filesystem;

/// The table and the key of each line.
const std::vector<std::pair<const char*, std::string>>& keys() {
  static const std::vector<std::pair<const char*, std::string>> all = {
      {"cursorDiskKV", "composerData:c"},
      {"cursorDiskKV", "bubbleId:c:1"},
      {"cursorDiskKV", "bubbleId:c:2"},
      {"cursorDiskKV", "bubbleId:c:3"},
      {"cursorDiskKV", "composerData:d"},
      {"ItemTable", "workbench.panel.aichat.view.aichat.chatdata"},
      {"composerHeaders", "c"},
      {"ItemTable", "composer.composerHeaders"}};
  return all;
}

void put(sqlite3* database, const char* table, const std::string& key, const std::string& value) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(database, (std::string("INSERT INTO ") + table + " VALUES (?1, ?2)").c_str(),
                     -1, &statement, nullptr);
  sqlite3_bind_text(statement, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
  sqlite3_bind_blob(statement, 2, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
  sqlite3_step(statement);
  sqlite3_finalize(statement);
}

void make_database(const fs::path& file, std::string_view text) {
  sqlite3* database = nullptr;
  sqlite3_open(file.c_str(), &database);
  sqlite3_exec(database,
               "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN; CREATE TABLE ItemTable "
               "(key TEXT UNIQUE ON CONFLICT "
               "REPLACE, value BLOB);"
               "CREATE TABLE cursorDiskKV (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB);"
               "CREATE TABLE composerHeaders (composerId TEXT PRIMARY KEY, value TEXT)",
               nullptr, nullptr, nullptr);
  for (std::size_t i = 0; i < keys().size() && !text.empty(); ++i) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    put(database, keys()[i].first, keys()[i].second, std::string(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  sqlite3_exec(database, "COMMIT", nullptr, nullptr, nullptr);
  sqlite3_close(database);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const dialogue::Format format = dialogue::cursor_format();
  static const fs::path file = fs::path(fs::exists("/dev/shm") ? "/dev/shm" : "/tmp") /
                               ("dialogue-fuzz-" + std::to_string(::getpid()) + ".vscdb");
  fs::remove(file);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.find('\n') != text.npos && !text.starts_with("SQLite")) {
    make_database(file, text);
  } else {
    std::ofstream(file, std::ios::binary) << text;
  }
  dialogue::check_reader(format, file);
  fs::remove(file);
  return 0;
}
