// The data members of a class, read from its header as text, so that a test can see whether something forgets one.
#pragma once

#include <string>
#include <vector>

namespace xensim::test {

std::string read_source(const std::string& path);
std::string without_comments(const std::string& text);
// The names of the data members of `class name` or `struct name` in the text, in their order; static ones and functions
// left out. Empty where the class is not there.
std::vector<std::string> data_members(const std::string& text, const std::string& name);

}  // namespace xensim::test
