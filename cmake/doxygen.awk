# Doxygen's view of our headers, line by line, so that line numbers stay. A header's contract is a table in a comment:
#     /// Cost     One pass.
#     /// Example  run.log(row);
#     ///          run.finish();
# Each first word becomes a heading, an example becomes code, and a placeholder like <step> is no HTML tag.
# The commands contract and sample are aliases in Doxyfile.

# A line is printed when the next one is known, because the last line of an example ends the code.
{
  line = $0
  if (code && line !~ /^ *\/\/\/          /) {
    held = held " @endcode"
    code = 0
  }
  if (match(line, /^ *\/\/\/ Example  +/)) {
    start = RLENGTH
    line = substr(line, 1, index(line, "///") + 2) " @sample " substr(line, start + 1)
    code = 1
  } else if (match(line, /^ *\/\/\/ [A-Z][a-z]+  +/)) {
    start = RLENGTH
    word = substr(line, index(line, "///") + 4, start)
    sub(/ .*/, "", word)
    line = substr(line, 1, index(line, "///") + 2) " @contract{" word "} " substr(line, start + 1)
  }
  if (!code && line ~ /^ *\/\/\//) {
    while (match(line, /[^A-Za-z0-9_:\\]<[a-z]+>/)) line = substr(line, 1, RSTART) "\\" substr(line, RSTART + 1)
  }
  if (NR > 1) print held
  held = line
}
END {
  if (NR > 0) print held
}
