// expect: runtime_error
#include <fstream>
#include <iostream>
int main() { std::ifstream f("@HOME@/precious.txt"); if (!f) return 8; std::cout << f.rdbuf(); }
