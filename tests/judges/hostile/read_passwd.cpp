// expect: runtime_error
#include <fstream>
#include <iostream>
int main() { std::ifstream f("/etc/passwd"); if (!f) return 7; std::cout << f.rdbuf(); }
