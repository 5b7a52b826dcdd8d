// A SQLite database that belongs to another program: read, never written, whoever holds it open.
#pragma once

#include "report.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace dialogue {

class SqliteStore {
 public:
  /// Opens the database read-only, so that rows in its write-ahead log are seen and nothing of it
  /// changes (SQLite may make or touch the -shm file). Where that cannot be, because of a lock or
  /// of a folder that must not be written to, a private copy is opened instead. Failure
  /// (Exit::unreadable) if neither works or the file is damaged.
  explicit SqliteStore(const std::filesystem::path& file);
  ~SqliteStore();

  bool has_table(const std::string& table);
  /// The value of a key, of a table (key, value). Nothing if there is no such key or its value is
  /// NULL. Uses the table's index.
  std::optional<std::string> value(const std::string& table, const std::string& key);
  /// All keys that begin with `prefix` and their values, by key; the value is valid during the
  /// call.
  void each(const std::string& table, const std::string& prefix,
            const std::function<void(std::string_view key, std::string_view value)>& visit);

  /// All rows of a table, as the names of its columns and their values; NULL is left out.
  void each_row(const std::string& table,
                const std::function<void(const std::map<std::string, std::string>&)>& visit);

  /// The statements behind `value` and `each`: a comparison that SQLite answers from the index,
  /// which LIKE does not.
  static std::string value_query(const std::string& table);
  static std::string range_query(const std::string& table);

 private:
  class Copy;
  struct Close {
    void operator()(sqlite3* database) const;
  };
  using Row = std::function<bool(sqlite3_stmt*)>;

  /// SQLITE_OK, or the reason why the database cannot be read.
  int open(const std::filesystem::path& file, bool own_copy);
  int try_query(const std::string& sql, const std::string& first, const std::string& second,
                const Row& row);
  void query(const std::string& sql, const std::string& first, const std::string& second,
             const Row& row);
  [[noreturn]] void fail(int code) const;

  std::filesystem::path file_;
  std::unique_ptr<Copy> copy_;
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace dialogue
