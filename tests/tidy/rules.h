// The rules: each a function from a tree to complaints, so that a test can show it a tree that breaks it.
#pragma once

#include <string>
#include <vector>

#include "tests/tidy/tree.h"

namespace xensim::tidy {

// "path:line: what is wrong", so that it can be clicked; of a whole file without the line.
using Complaints = std::vector<std::string>;

Complaints check_lines(const Tree& tree);           // no tabs, no trailing blanks, not too long
Complaints check_file_ends(const Tree& tree);       // begins with a comment, ends with a line end
Complaints check_headers(const Tree& tree);         // guarded; includes by full path
Complaints check_notes(const Tree& tree);           // no notes to self
Complaints check_disabled(const Tree& tree);        // no disabled tests, no dead code
Complaints check_test_names(const Tree& tree);      // unique in their file, plain enough for CTest
Complaints check_layers(const Tree& tree);          // includes follow the rows of layers.h
Complaints check_fast_paths(const Tree& tree);      // models/x86/fast has a face, which few include
Complaints check_rooms(const Tree& tree);           // each folder with sources has a row there
Complaints check_testing(const Tree& tree);         // what tests share is in no program
Complaints check_core(const Tree& tree);            // no thread, lock, clock, file or engine of the host's
Complaints check_determinism(const Tree& tree);     // nothing that differs between two runs
Complaints check_paths_in_prose(const Tree& tree);  // a path in a comment or a document exists

}  // namespace xensim::tidy
