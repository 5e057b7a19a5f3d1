// expect: compile_error
#include <iostream>
int main() { std::cerr << "No space left on device: 5" << unknown; }
